"""What lies where in a DER encoding (X.690), read as leniently as real certificates demand.

Lengths longer than necessary, any TRUE that BER allows and elements after the expected ones are accepted;
what has no certain reading (an indefinite length, an element that ends after its parent) raises `DerError`.
"""

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OBJECT_IDENTIFIER = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
ENUMERATED, UTF8_STRING, SEQUENCE, SET = 0x0A, 0x0C, 0x30, 0x31
NUMERIC_STRING, PRINTABLE_STRING, TELETEX_STRING, IA5_STRING = 0x12, 0x13, 0x14, 0x16
UTC_TIME, GENERALIZED_TIME, VISIBLE_STRING, UNIVERSAL_STRING, BMP_STRING = 0x17, 0x18, 0x1A, 0x1C, 0x1E

Element = tuple[int, int, int, int]
"""Tag (the identifier octet), where the contents begin, where they end, where the element begins."""

_STRINGS = {
    UTF8_STRING: "utf-8",
    NUMERIC_STRING: "ascii",
    PRINTABLE_STRING: "ascii",
    TELETEX_STRING: "latin-1",  # T.61 in the standard, Latin-1 in every certificate
    IA5_STRING: "ascii",
    VISIBLE_STRING: "ascii",
    UNIVERSAL_STRING: "utf-32-be",
    BMP_STRING: "utf-16-be",
}

_LONGEST_OID = 64  # the longest in use has some 20 bytes; reading takes time with the length squared


class DerError(ValueError):
    """The bytes cannot be read; the text says why. It never leaves this package."""


def element(data: bytes, at: int, stop: int, *, cut: bool = False) -> Element:
    """Read the head of the element at `at`, which must end by `stop` or, with `cut`, is cut there."""
    if at + 2 > stop:
        raise DerError("an element is missing" if at >= stop else "an element is cut short")
    tag, length, start = data[at], data[at + 1], at + 2
    if tag & 0x1F == 0x1F:
        raise DerError("a tag number above 30")
    if length & 0x80:
        octets = length & 0x7F
        if octets == 0:
            raise DerError("an indefinite length")
        length = int.from_bytes(data[start : min(start + octets, stop)])
        start += octets
    end = start + length
    if end > stop:
        if not cut:
            raise DerError(f"an element of {length} bytes where {max(0, stop - start)} are left")
        end = stop
    return tag, start, end, at


def elements(data: bytes, start: int, stop: int) -> list[Element]:
    """All elements that lie one after the other from `start` to `stop`."""
    found = []
    while start < stop:
        inside = start + 2
        if inside <= stop and data[start + 1] < 0x80 and data[start] & 0x1F != 0x1F:
            end = inside + data[start + 1]  # the usual short element, without a call
            one = (data[start], inside, end, start) if end <= stop else element(data, start, stop)
        else:
            one = element(data, start, stop)
        found.append(one)
        start = one[2]
    return found


def whole(data: bytes) -> Element:
    """Read the element that the bytes begin with."""
    return element(data, 0, len(data))


def inside(data: bytes, found: Element) -> list[Element]:
    """The elements inside an element."""
    return elements(data, found[1], found[2])


def children(data: bytes, tag: int, start: int = 0, stop: int | None = None) -> list[Element]:
    """The elements inside the element of the given tag at `start`."""
    found = expect(element(data, start, len(data) if stop is None else stop), tag)
    return inside(data, found)


def expect(found: Element, tag: int) -> Element:
    """Return the element if it has that tag."""
    if found[0] != tag:
        raise DerError(f"tag 0x{found[0]:02x} where 0x{tag:02x} belongs")
    return found


def contents(data: bytes, found: Element, tag: int) -> bytes:
    """Return the contents of an element that must have that tag."""
    expect(found, tag)
    return data[found[1] : found[2]]


def encoded(data: bytes, found: Element) -> bytes:
    """Return the whole element, identifier and length included."""
    return data[found[3] : found[2]]


def integer(data: bytes, found: Element) -> int:
    """Read an INTEGER of any size."""
    value = contents(data, found, INTEGER)
    if not value:
        raise DerError("an INTEGER without contents")
    return int.from_bytes(value, signed=True)


def bits(data: bytes, found: Element) -> bytes:
    """Read a BIT STRING; unused bits at its end are 0."""
    value = contents(data, found, BIT_STRING)
    if not value or value[0] > 7:
        raise DerError("a BIT STRING without a count of unused bits")
    return value[1:]


def text(data: bytes, found: Element) -> str | None:
    """Read a character string of any type; None where it is none, or its bytes contradict its type."""
    encoding = _STRINGS.get(found[0])
    if encoding is None:
        return None
    try:
        return data[found[1] : found[2]].decode(encoding)
    except UnicodeDecodeError:
        return None


def dotted(oid: bytes) -> str:
    """Write the contents of an OBJECT IDENTIFIER as `1.2.840.113549.1.1.11`; in hexadecimal where damaged."""
    if not 0 < len(oid) <= _LONGEST_OID or oid[-1] & 0x80:
        return f"0x{oid.hex()}"
    arcs, value = [], 0
    for octet in oid:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def oid(text: str) -> bytes:
    """Return the contents of the OBJECT IDENTIFIER written as dotted decimals."""
    first, second, *rest = map(int, text.split("."))
    out = bytearray()
    for arc in (40 * first + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        out.extend(reversed(groups))
    return bytes(out)
