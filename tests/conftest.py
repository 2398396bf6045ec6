"""Makes the laboratory under `scripts/` importable: tests forge their captures with `lab.wire` and `lab.transform`."""

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

# How long an example takes says something about the machine, not about us.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
