r"""What is a file called, in all output, whose name is no text: bytes that are not UTF-8?"""

import re

_ODD = re.compile("[\udc80-\udcff]")
"""Bytes that `os.fsdecode` and tarfile could not decode."""


def named(path: str) -> str:
    r"""The name as text, with the odd bytes escaped: `a\xff.pcap`. It is for people; `path` is what can be opened."""
    if path.isascii():
        return path
    text = _ODD.sub(lambda odd: f"\\x{ord(odd[0]) & 0xFF:02x}", path)
    return text.encode("utf-8", "backslashreplace").decode()
