"""What is a file that is not a capture mtlscope reads?"""

import re
import string

# The first pattern that matches at the start names the format.
_FORMATS: list[tuple[bytes, str]] = [
    # captures of other kinds
    (rb"GMBU|RTSS", "a Microsoft Network Monitor capture"),
    (rb"iptrace [12]\.0", "an AIX iptrace capture"),
    (rb"\+-{9}\+-{15}\+-{10}\+", "a K12 text hex dump"),
    (rb"\x00\x00\x02\x00\x12\x05\x00\x10", "a Tektronix K12 capture"),
    (rb"TRSNIFF data    \x1a", "a Sniffer (DOS) capture"),
    (rb"XCP\x00", "a Sniffer (Windows) capture"),
    (rb"\x7fver", "an OmniPeek capture"),
    (rb"btsnoop\x00", "a Bluetooth snoop capture"),
    (rb"0{4,8}  ?[0-9a-f]{2} [0-9a-f]{2} |\s*0x0000:  [0-9a-f]{4} ", "a text hex dump"),
    (rb"\d\d:\d\d:\d\d\.\d{6} ", "the printed output of tcpdump"),
    # pcapng begins with bytes that a transfer as text changes, so that the damage shows
    (rb"[\r\n]{3,6}.{2,8}(\x1a\x2b\x3c\x4d|\x4d\x3c\x2b\x1a)", "a pcapng file damaged by a transfer as text"),
    (rb"\xff\xfe|\xfe\xff", "UTF-16 text (PowerShell's > rewrites what a command puts out; use its -w FILE)"),
    # things that are close to a capture
    (rb"# SSL/TLS secrets log|CLIENT_RANDOM |(CLIENT|SERVER)_[A-Z_0]+ [0-9a-fA-F]{64} ", "a TLS key log"),
    (rb"-----BEGIN ", "a PEM file"),
    (rb"#separator ", "a Zeek log"),
    (rb"version https://git-lfs", "a Git LFS pointer: the capture itself was not fetched"),
    # compressed files and archives
    (rb"\x1f\x8b", "a gzip file"),
    (rb"BZh", "a bzip2 file"),
    (rb"\xfd7zXZ", "an xz file"),
    (rb"\x28\xb5\x2f\xfd", "a zstd file"),
    (rb"\x04\x22\x4d\x18", "an lz4 file"),
    (rb"\x02\x21\x4c\x18", "an lz4 file of the legacy format"),
    (rb"\x1f[\x9d\xa0]", "a file of Unix compress"),
    (rb"PK(\x03\x04|\x05\x06)", "a zip archive"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (rb"Rar!", "a RAR archive"),
    (rb".{257}ustar", "a tar archive"),
    (rb"MSCF", "a Windows cabinet"),
    # anything else that ends up in folders of captures
    (rb"\x7fELF", "an ELF program"),
    (rb"MZ.{58}", "a Windows program"),
    (rb"PAR1", "a Parquet file"),
    (rb"SQLite format 3\x00", "an SQLite database"),
    (rb"%PDF", "a PDF document"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8", "a picture"),
    (rb"#!", "a script"),
    (rb"(\xef\xbb\xbf)?\s*<(!doctype html|html)", "an HTML page"),
    (rb"(\xef\xbb\xbf)?\s*<(\?xml|[a-z])", "XML"),
    (rb"(\xef\xbb\xbf)?\s*[\[{]\s*([\"\[{\]}0-9-]|$)", "JSON"),
]
_PATTERNS = [(re.compile(pattern, re.DOTALL | re.IGNORECASE), name) for pattern, name in _FORMATS]
_TEXT = set(string.printable.encode())


def recognize(head: bytes) -> str:
    """Name the format of a file that begins with `head` (some hundred bytes), with its article."""
    for pattern, name in _PATTERNS:
        if pattern.match(head):
            return name
    if _is_erf(head):
        return "an Endace ERF capture"
    if _TEXT.issuperset(head):
        return "text"
    return f"an unknown format (it begins with {head[:8].hex(' ')})"


def _is_erf(head: bytes) -> bool:
    """ERF has no magic: two records must follow each other, with sane types, lengths and times."""
    length = int.from_bytes(head[10:12], "big")
    following = head[length : length + 16]
    if length < 16 or len(following) < 16:
        return False
    seconds = [int.from_bytes(record[4:8], "little") for record in (head, following)]
    types = [record[8] & 0x7F for record in (head, following)]
    return all(1 <= kind <= 48 for kind in types) and abs(seconds[1] - seconds[0]) < 86400
