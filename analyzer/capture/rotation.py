"""Which files are one capture that dumpcap or tcpdump wrote in pieces?"""

import re
from collections.abc import Iterable

_COMPRESSED = r"(?:\.(?:gz|bz2|xz|zst|lz4))?"
_PIECE = re.compile(
    # dumpcap -b: name_00001_20261123142501.pcapng, or with nametimenum name_20261123142501_00001.pcapng
    rf"(?P<ring>.*)_(?P<piece>\d{{5,}}_\d{{14}}|\d{{14}}_\d{{5,}})(?P<suffix>(?:\.\w+)?{_COMPRESSED})"
    # tcpdump -C: name.pcap, name.pcap1, name.pcap2; with -W name.pcap00, name.pcap01
    rf"|(?P<name>.*\.(?:pcap|pcapng|cap|dmp))(?P<number>\d*){_COMPRESSED}",
    re.DOTALL | re.IGNORECASE,
)


def rotated(names: Iterable[str]) -> dict[str, list[str]]:
    """The files by the capture that they are of, in the order given; a file that is of no set is its own.

    A set is called by the names of its files, with a `*` where they differ.
    """
    sets: dict[str, dict[str, str]] = {}
    for name in names:
        match = _PIECE.fullmatch(name)
        if match is None:
            sets[name] = {"": name}
        else:
            pattern = f"{match['ring']}_*{match['suffix']}" if match["name"] is None else f"{match['name']}*"
            piece = match["piece"] or match["number"] or ""
            if piece in sets.setdefault(pattern, {}):  # a compressed copy
                sets[name] = {"": name}
            else:
                sets[pattern][piece] = name
    return {
        pattern if len(files) > 1 else next(iter(files.values())): list(files.values())
        for pattern, files in sets.items()
    }
