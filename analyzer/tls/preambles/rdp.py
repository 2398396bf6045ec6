"""RDP: an X.224 connection request offers security protocols, the confirm selects one; all but standard RDP
security (0) then begin with TLS (MS-RDPBCGR, sections 2.2.1.1 and 2.2.1.2).
"""

from analyzer.tls.preambles._preamble import Preamble, waiting

CLIENT, SERVER = b"\3", b"\3"
GREETS = False

_REQUEST, _CONFIRM = 0xE0, 0xD0
_PROTOCOLS = {
    0: "standard RDP security",
    1: "TLS",
    2: "CredSSP",
    4: "RDSTLS",
    8: "CredSSP with early result",
    16: "AAD",
}
_FAILURES = {
    1: "SSL_REQUIRED_BY_SERVER",
    2: "SSL_NOT_ALLOWED_BY_SERVER",
    3: "SSL_CERT_NOT_ON_SERVER",
    4: "INCONSISTENT_FLAGS",
    5: "HYBRID_REQUIRED_BY_SERVER",
    6: "SSL_WITH_USER_AUTH_REQUIRED_BY_SERVER",
}


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    if not _is_tpkt(client, _REQUEST) or not _is_tpkt(server, _CONFIRM):
        return None
    sent, heard = (int.from_bytes(data[2:4]) for data in (client, server))
    if len(client) < max(sent, 11) or len(server) < max(heard, 11):
        return waiting("rdp", sent if _negotiation(client[11:sent], 1) else 0, "asked for TLS")
    requested = _negotiation(client[11:sent], 1)
    selected = _negotiation(server[11:heard], 2)
    failure = _negotiation(server[11:heard], 3)
    if failure is not None:
        says = f"The server declined the security protocols: {_FAILURES.get(failure, 'failure')} ({failure})."
        return Preamble("rdp", "refused", sent, heard, says)
    if selected:
        says = f"The server selected {_PROTOCOLS.get(selected, 'protocol')} ({selected})."
        return Preamble("rdp", "tls", sent, heard, says)
    if requested:
        says = "The server declined TLS: it selected standard RDP security (0)."
        return Preamble("rdp", "refused", sent, heard, says)
    return Preamble("rdp", "other", sent, heard, "The client did not ask for TLS: standard RDP security.")


def _is_tpkt(data: bytes, kind: int) -> bool:
    """Whether `data`, however short, can be a TPKT (RFC 1006) with this X.224 TPDU (class 0) in it."""
    if data[:2] != b"\3\0"[: len(data)]:
        return False
    if len(data) < 6:
        return len(data) < 4 or 11 <= int.from_bytes(data[2:4]) <= 2048
    return int.from_bytes(data[2:4]) == data[4] + 5 and data[5] & 0xF0 == kind


def _negotiation(data: bytes, kind: int) -> int | None:
    """The value of the negotiation structure of this type, behind the cookie or routing token, if there is one."""
    structure = data if data[:1] == bytes([kind]) else data.partition(b"\r\n")[2]
    if len(structure) < 8 or structure[0] != kind or structure[2:4] != b"\x08\0":
        return None
    return int.from_bytes(structure[4:8], "little")
