"""Makes the laboratory under `scripts/` importable: tests forge their captures with `lab.wire` and `lab.transform`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
