"""How do the attributes of a graph read where a value can only be a word or a number?"""

from typing import Any


def text(value: Any) -> str | int | bool:
    """A value as a word, a number or a truth; a dictionary of counts as `TLSv1.2 15, TLSv1.3 13`."""
    if isinstance(value, dict):
        return ", ".join(f"{word} {count}" for word, count in value.items())
    return value if isinstance(value, int) else str(value)
