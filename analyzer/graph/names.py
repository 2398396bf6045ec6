"""What does a distinguished name call somebody, in a word?"""

import re


def common_name(name: str) -> str:
    """The first CN of a distinguished name (RFC 4514), else all of it."""
    return attribute(name, "CN") or name


def attribute(name: str, kind: str) -> str | None:
    """The first value of this kind in a distinguished name, commas and the like as they are."""
    found = re.search(rf"(?:^|[,+]){kind}=((?:\\.|[^,+\\])*)", name)
    return re.sub(r"\\([^0-9A-F])", r"\1", found[1]) if found else None
