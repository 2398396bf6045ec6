"""How does each certificate become a PEM file, whatever it calls itself?

A name is `SUBJECT-SHA256.pem`: of the subject what is harmless in any file system, of the fingerprint all, so that no
two certificates can have the same, also where upper and lower case are one. What is there already stays.
"""

import re
from os import PathLike
from pathlib import Path
from ssl import DER_cert_to_PEM_cert

from analyzer.errors import UsageError
from analyzer.graph.names import common_name
from analyzer.inventory.collect import Entry, Inventory

_HARMLESS = re.compile(r"[^A-Za-z0-9.-]+")
_LONGEST = 80


def export(inventory: Inventory, folder: str | PathLike[str]) -> list[Path]:
    """Write each certificate into a file of the folder; see `Inventory.export`."""
    hidden = sum(entry.der is None for entry in inventory)
    if hidden:
        raise UsageError(f"{hidden} certificates cannot be exported: the report does not hold them (is it redacted?)")
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    return [_write(home / file_name(entry), entry.der or b"") for entry in inventory]


def file_name(entry: Entry) -> str:
    """Such as `service.example.com-3f2a….pem`; `unnamed` where nothing of the subject is left."""
    subject = _HARMLESS.sub("_", common_name(entry.certificate.subject)).strip("._-")[:_LONGEST].rstrip("._-")
    return f"{subject or 'unnamed'}-{entry.certificate.sha256}.pem"


def _write(path: Path, encoded: bytes) -> Path:
    """Write a file that is not there yet, or leave one that holds the same."""
    text = DER_cert_to_PEM_cert(encoded)
    try:
        with path.open("x", encoding="ascii", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        if not path.is_file() or path.read_bytes() != text.encode():
            raise UsageError(f"{path}: is there already and holds something else; it was not written over") from None
    return path
