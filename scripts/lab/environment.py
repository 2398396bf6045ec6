"""Which Python runs a script: that of the checkout's own environment, which is made where it is missing."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def enter(name: str) -> None:
    """Start the script again in `.venv`, unless it runs there or is only imported (its `__name__` says so)."""
    if name != "__main__" or Path(sys.prefix).resolve() == (ROOT / ".venv").resolve():
        return
    subprocess.run([ROOT / "scripts" / "setup", "dev"], check=True)
    python = ROOT / ".venv" / "bin" / "python"
    os.execv(python, [str(python), *sys.argv])
