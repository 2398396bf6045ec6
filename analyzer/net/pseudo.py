"""Where does the packet begin behind headers that neither the columns nor Scapy know?

Each function gets the bytes from such a header on and says which ethertype follows, and at which byte; None
where nothing does that carries IP. One that runs out of bytes may raise IndexError or struct.error.
"""

from struct import unpack_from

from analyzer.net.links import ETHERNET, IPV4, IPV6, LLC, PPP

Found = tuple[int, int] | None


def token_ring(data: bytes) -> Found:
    """IEEE 802.5: access and frame control, addresses, and a route where the source address says so."""
    if data[1] >> 6 != 1:
        return None
    return LLC, 14 + (data[14] & 0x1F if data[8] & 0x80 else 0)


def ppp_or_hdlc(data: bytes) -> Found:
    """PPP in HDLC-like framing (RFC 1662), or Cisco's HDLC on the same line, which has other addresses."""
    if data[0] in (0x0F, 0x8F):
        return unpack_from(">H", data, 2)[0], 4
    return PPP, 0


def frame_relay(data: bytes) -> Found:
    """Q.922 address of two to four bytes, then RFC 2427 or, as Cisco has it, an ethertype."""
    address = next(i for i in (2, 3, 4) if data[i - 1] & 1)
    if data[address] != 3:
        return int.from_bytes(data[address : address + 2], "big"), address + 2
    padding = data[address + 1] == 0
    protocol = address + 1 + padding
    match data[protocol]:
        case 0xCC:
            return IPV4, protocol + 1
        case 0x8E:
            return IPV6, protocol + 1
        case 0x80 if data[protocol + 1 : protocol + 4] == b"\0\0\0":
            return int.from_bytes(data[protocol + 4 : protocol + 6], "big"), protocol + 6
    return None


def packet_filter_log(data: bytes) -> Found:
    """BSD pflog: its own length comes first, without the padding to four bytes."""
    return IPV4, -(-data[0] // 4) * 4


def netfilter_log(data: bytes) -> Found:
    """Linux NFLOG: type-length-value triples; type 9 is the packet."""
    position = 4
    while True:
        length, kind = unpack_from("<HH", data, position)
        if kind == 9:
            return IPV4, position + 4
        if length < 4:
            return None
        position += -(-length // 4) * 4


def pktap(data: bytes) -> Found:
    """Apple's pktap: its own length, and the link type of the frame behind it."""
    length, _, link_type = unpack_from("<III", data)
    known = {0: (IPV4, 4), 1: (ETHERNET, 0), 9: (PPP, 0), 12: (IPV4, 0), 14: (IPV4, 0), 101: (IPV4, 0), 108: (IPV4, 4)}
    ethertype, skipped = known[link_type]
    return ethertype, length + skipped


def juniper_ethernet(data: bytes) -> Found:
    """Juniper's pseudo header, then Ethernet."""
    ethertype, position = _juniper(data)
    return ethertype or ETHERNET, position


def juniper_ppp(data: bytes) -> Found:
    """Juniper's pseudo header, then PPP behind two bytes of address and control."""
    ethertype, position = _juniper(data)
    return (ethertype, position) if ethertype else (PPP, position + 2)


def juniper_frame_relay(data: bytes) -> Found:
    """Juniper's pseudo header, then frame relay."""
    ethertype, position = _juniper(data)
    found = None if ethertype else frame_relay(data[position:])
    return (found[0], position + found[1]) if found else (ethertype, position)


def juniper_hdlc(data: bytes) -> Found:
    """Juniper's pseudo header, then Cisco HDLC."""
    ethertype, position = _juniper(data)
    if ethertype:
        return ethertype, position
    return unpack_from(">H", data, position + 2)[0], position + 4


def _juniper(data: bytes) -> tuple[int, int]:
    """Length of Juniper's pseudo header; and the ethertype, or 0, where it stands for the link header."""
    flags = data[3]
    position = 4
    if flags & 0x80:  # extensions
        position += 2 + unpack_from(">H", data, 4)[0]
    if flags & 0x02:  # no link header
        return IPV4, position + 4
    return 0, position


def trill(data: bytes) -> Found:
    """RFC 6325, section 3: six bytes and options, then Ethernet."""
    return ETHERNET, 6 + 4 * ((data[0] & 7) << 2 | data[1] >> 6)


def web_cache(data: bytes) -> Found:
    """WCCP redirection: version 2 has four bytes before the IPv4 packet, version 1 none."""
    return IPV4, 0 if data[0] >> 4 == 4 else 4


def service_header(data: bytes) -> Found:
    """Network service header (RFC 8300, section 2.2): its length in words, and what follows."""
    following = {1: IPV4, 2: IPV6, 3: ETHERNET}.get(data[3])
    return (following, 4 * (data[1] & 0x3F)) if following else None


def teredo(data: bytes) -> Found:
    """RFC 4380, section 5.1.1: authentication and origin indications may precede the IPv6 packet."""
    position = 0
    if data[:2] == b"\0\1":
        position = 13 + data[2] + data[3]
    if data[position : position + 2] == b"\0\0":
        position += 8
    return IPV6, position


def lisp(data: bytes) -> Found:
    """RFC 9300, section 5.1: eight bytes, then IP of either version."""
    return IPV4, 8


def tazmen(data: bytes) -> Found:
    """TZSP, in which sniffers such as MikroTik's send frames: tags up to an end tag, then the frame."""
    if data[0] != 1 or data[1] > 1 or data[2:4] != b"\0\1":
        return None
    position = 4
    while data[position] != 1:
        position += 1 if data[position] == 0 else 2 + data[position + 1]
    return ETHERNET, position + 1


def capwap(data: bytes) -> Found:
    """RFC 5415, section 4.3: a header of its own length, then an Ethernet or an 802.11 data frame.

    Access points send the two bytes of 802.11's frame control in the wrong order.
    """
    position = data[1] >> 3 << 2
    if data[0] or data[3] & 0x80:  # encrypted by DTLS, or a fragment
        return None
    if not data[2] & 0x01:
        return ETHERNET, position
    flags, control = data[position], data[position + 1]
    if control & 0x0F != 0x08 or flags & 0x40:  # not data, or protected
        return None
    return LLC, position + 24 + (6 if flags & 3 == 3 else 0) + (2 if control & 0x80 else 0)
