"""Makes the laboratory under `scripts/` importable: tests forge their captures with `lab.wire` and `lab.transform`."""

import os
import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

# How long an example takes says something about the machine, not about us.
settings.register_profile("patient", deadline=None)
# Whether a change passes must not be a matter of luck; whoever runs the tests at home looks at new examples each time.
settings.register_profile("same", settings.get_profile("patient"), derandomize=True)
settings.load_profile("same" if os.environ.get("CI") else "patient")
