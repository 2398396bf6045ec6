"""What does Scapy make of the messages of a handshake?"""

from typing import TYPE_CHECKING

from analyzer.tls.handshake import TLS13, Sent

if TYPE_CHECKING:
    from scapy.layers.tls.session import tlsSession
    from scapy.packet import Packet

_CONTENT_TYPES = {"change_cipher_spec": 20, "alert": 21}
_HANDSHAKE = 22
_LONGEST = 0xFFFF
_TLS12, _DTLS, _DTLS_HEADER = b"\3\3", b"\xfe", 12
"""How versions of DTLS begin, and how long the header of a message is."""


def dissect(sent: list[Sent], version: int | None) -> "list[Packet | None]":
    """A TLS record of Scapy's for each; None where it cannot be read.

    Scapy keeps one session for what is in clear, and so knows the cipher suite of a ServerKeyExchange. What was
    decrypted would have its keys, which Scapy does not; so each of that is dissected by itself.
    """
    from scapy.layers.tls.session import tlsSession

    session, sender = tlsSession(connection_end="server"), "client"
    records: list[Packet | None] = []
    for one in sent:
        if not one.raw:
            records.append(None)
        elif one.protection == "cleartext":
            if one.sender != sender:
                session, sender = session.mirror(), one.sender
            records.append(_dissect(one, session))
        else:
            alone = tlsSession()
            alone.frozen = True
            if version == TLS13:
                alone.advertised_tls_version = TLS13
            else:
                alone.tls_version = version
            records.append(_dissect(one, alone))
    return records


def _dissect(one: Sent, session: "tlsSession") -> "Packet":
    from scapy.layers.tls.record import TLS
    from scapy.packet import Raw

    content_type, raw = _CONTENT_TYPES.get(one.name, _HANDSHAKE), one.raw
    if content_type == _HANDSHAKE and len(raw) == one.length + _DTLS_HEADER:
        raw = raw[:4] + raw[_DTLS_HEADER:]
    if one.name in ("client_hello", "hello_verify_request") and raw[4:5] == _DTLS:
        return Raw(one.raw)  # Scapy knows neither
    if one.name == "server_hello" and raw[4:5] == _DTLS:  # which Scapy takes for one of TLS 1.3
        raw = raw[:4] + _TLS12 + raw[6:]
    length = min(len(raw), _LONGEST)  # Scapy takes the rest for another record otherwise
    try:
        return TLS(bytes((content_type, 3, 3)) + length.to_bytes(2) + raw, tls_session=session)
    except Exception:  # hostile bytes: Scapy raises whatever it likes
        return Raw(one.raw)
