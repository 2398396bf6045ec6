"""What `captures/manifest.toml` claims of the sample captures, put together for tests."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CAPTURES = Path(__file__).parents[1] / "captures"
_MANIFEST = tomllib.loads((CAPTURES / "manifest.toml").read_text(encoding="utf-8"))
_ENTRIES: dict[str, dict[str, Any]] = {entry["file"]: entry for entry in _MANIFEST["capture"]}
FILES = list(_ENTRIES)


@dataclass(frozen=True)
class Claim:
    """What is true of one handshake."""

    file: str
    fields: dict[str, Any]
    """By the names of the JSON output; a list allows any of its values, None stands for null."""
    needs_keys: frozenset[str]

    @property
    def key(self) -> tuple[int, int]:
        return self.fields["stream"], self.fields["handshake"]

    def holds(self, name: str, value: Any) -> bool:
        """Whether a value of a field is among those that are allowed."""
        allowed = self.fields[name]
        return value in allowed if isinstance(allowed, list) else value == allowed


def claims(file: str) -> list[Claim]:
    """Of every handshake of a capture; a variant expects what its base expects, but for what it says itself."""
    entry = _ENTRIES[file]
    own = {_key(expect): expect for expect in entry.get("expect", [])}
    base = _ENTRIES.get(entry.get("variant_of", ""), {})
    inherited = {_key(expect): expect for expect in base.get("expect", [])}
    made = []
    for key in own | inherited:
        fields = {**_MANIFEST["defaults"], **inherited.get(key, {}), **own.get(key, {})}
        needs_keys = frozenset(fields.pop("needs_keys", ()))
        fields = {name: _plain(value) for name, value in fields.items() if value != []}
        made.append(Claim(file, fields, needs_keys))
    return made


def options(file: str) -> dict[str, str]:
    """How to analyze it, without a key log: arguments of `analyze`."""
    named = {**_MANIFEST["options"], **_ENTRIES[file].get("options", {})}
    return {name: str(CAPTURES / value) for name, value in named.items()}


def keylog(file: str) -> Path | None:
    """Its key log, where there is one."""
    name = _ENTRIES[file].get("keylog")
    return CAPTURES / name if name else None


def _key(expect: dict[str, Any]) -> tuple[int, int]:
    return expect["stream"], expect.get("handshake", 0)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if value == "none" else value
