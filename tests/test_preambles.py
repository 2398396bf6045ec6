"""What is spoken in clear before TLS: every preamble accepted, refused, cut anywhere, chained, and in real captures."""

import base64
import shutil
import subprocess
from pathlib import Path
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.plugins import Registry
from analyzer.tls.preambles import begins_tls, deframer, follow, recognize

HELLO = bytes.fromhex("160301002d010000290303") + bytes(32) + bytes.fromhex("00000213010100")
SERVER_HELLO = bytes.fromhex("160303002a020000260303") + bytes(32) + bytes.fromhex("00130100")

Turn = tuple[str, bytes]
C, S = "client", "server"


def turns(*said: Turn) -> tuple[bytes, bytes]:
    """All that the client and all that the server said."""
    return tuple(b"".join(data for sender, data in said if sender == side) for side in (C, S))  # type: ignore[return-value]


def mysql_packet(number: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([number]) + payload


def mysql_greeting(capabilities: int) -> bytes:
    low, high = pack("<I", capabilities)[:2], pack("<I", capabilities)[2:]
    rest = b"\x01\0\0\0" + b"saltsalt" + b"\0" + low + b"\x21\2\0" + high + b"\x15" + bytes(10) + b"moresaltsalt\0"
    return mysql_packet(0, b"\n8.0.36\0" + rest + b"mysql_native_password\0")


def tds_packet(kind: int, payload: bytes) -> bytes:
    return pack(">BBHHBB", kind, 1, 8 + len(payload), 0, 0, 0) + payload


def prelogin(encryption: int) -> bytes:
    table = pack(">BHH", 0, 11, 6) + pack(">BHH", 1, 17, 1) + b"\xff"
    return table + b"\x10\0\0\0\0\0" + bytes([encryption])


def rdp_request(protocols: int) -> bytes:
    body = b"\xe0\0\0\0\0\0" + b"Cookie: mstshash=eva\r\n" + b"\1\0\x08\0" + pack("<I", protocols)
    return pack(">BBHB", 3, 0, len(body) + 5, len(body)) + body


def rdp_confirm(kind: int | None, value: int = 0) -> bytes:
    body = b"\xd0\0\0\x12\x34\0" + (b"" if kind is None else pack("<BBHI", kind, 0, 8, value))
    return pack(">BBHB", 3, 0, len(body) + 5, len(body)) + body


def adb(command: bytes, payload: bytes = b"") -> bytes:
    head = command + pack("<III", 0x0100_0001, 4096, len(payload)) + pack("<I", sum(payload))
    return head + bytes(byte ^ 0xFF for byte in command) + payload


def nbd_reply(option: int, kind: int) -> bytes:
    return pack(">QIII", 0x3E889045565A9, option, kind, 0)


def proxy_v2(command: int, family: int, body: bytes) -> bytes:
    return b"\r\n\r\n\0\r\nQUIT\n" + pack(">BBH", 0x20 | command, family, len(body)) + body


LDAP_STARTTLS = bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037"
VENCRYPT = [
    (S, b"RFB 003.008\n"),
    (C, b"RFB 003.008\n"),
    (S, b"\2\2\x13"),
    (C, b"\x13"),
    (S, b"\0\2"),
    (C, b"\0\2"),
    (S, b"\0\2\0\0\1\3\0\0\1\4"),
    (C, b"\0\0\1\4"),
]
ESMTP = [
    (S, b"220-mail.example ESMTP\r\n220 and welcome\r\n"),
    (C, b"EHLO lab\r\n"),
    (S, b"250-mail.example\r\n250-PIPELINING\r\n250 STARTTLS\r\n"),
    (C, b"STARTTLS\r\n"),
]
XMPP = [
    (C, b"<?xml version='1.0'?><stream:stream to='a.example' xmlns='jabber:client' version='1.0'>"),
    (S, b"<?xml version='1.0'?><stream:stream id='1' xmlns='jabber:client'><stream:features>"),
    (S, b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"),
    (C, b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
]
CONNECT = b"CONNECT srv.example:443 HTTP/1.1\r\nHost: srv.example:443\r\n"
DENIED = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n"
SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"
GSS_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x30"
MANAGESIEVE = [(S, b'"IMPLEMENTATION" "x"\r\n"STARTTLS"\r\n"SASL" ""\r\nOK "ready"\r\n'), (C, b"STARTTLS\r\n")]
MYSQL_REQUEST = mysql_packet(1, pack("<II", 0x00FFAE85, 1 << 24) + b"\xff" + bytes(23))
OPENVPN = [
    (C, b"\0\x0e\x38" + b"clientid" + b"\0" + bytes(4)),
    (S, b"\0\x1a\x40" + b"serverid" + b"\1" + bytes(4) + b"clientid" + bytes(4)),
]

ACCEPTED: dict[str, list[Turn]] = {
    "smtp": [*ESMTP, (S, b"220 2.0.0 Ready to start TLS\r\n")],
    "smtp, Exchange": [*ESMTP[:3], (C, b"X-ANONYMOUSTLS\r\n"), (S, b"220 2.0.0 SMTP server ready\r\n")],
    "smtp, after 530": [
        *ESMTP[:3],
        (C, b"MAIL FROM:<a@b>\r\n"),
        (S, b"530 first TLS\r\n"),
        ESMTP[3],
        (S, b"220 go\r\n"),
    ],
    "smtp, second try": [*ESMTP, (S, b"454 not now\r\n"), (C, b"starttls\r\n"), (S, b"220 go\n")],
    "lmtp": [
        (S, b"220 box LMTP\r\n"),
        (C, b"LHLO a\r\n"),
        (S, b"250-x\r\n250 STARTTLS\r\n"),
        ESMTP[3],
        (S, b"220 go\r\n"),
    ],
    "imap": [
        (S, b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n"),
        (C, b"a1 CAPABILITY\r\n"),
        (S, b"* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK done\r\n"),
        (C, b"a2 STARTTLS\r\n"),
        (S, b"a2 OK Begin TLS negotiation now\r\n"),
    ],
    "pop3": [
        (S, b"+OK hello\r\n"),
        (C, b"CAPA\r\n"),
        (S, b"+OK\r\nTOP\r\nSTLS\r\n.\r\n"),
        (C, b"STLS\r\n"),
        (S, b"+OK Begin TLS\r\n"),
    ],
    "ftp": [(S, b"220-Hello\r\n 250 GB free\r\n220 FTP\r\n"), (C, b"AUTH TLS\r\n"), (S, b"234 go\r\n")],
    "ftp, SSL": [(S, b"220 x\r\n"), (C, b"AUTH TLS\r\nAUTH SSL\r\n"), (S, b"504 no\r\n334 go\r\n")],
    "nntp": [
        (S, b"200 news\r\n"),
        (C, b"CAPABILITIES\r\n"),
        (S, b"101 list\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n"),
        (C, b"STARTTLS\r\n"),
        (S, b"382 go\r\n"),
    ],
    "managesieve": [*MANAGESIEVE, (S, b'OK "Begin TLS negotiation now."\r\n')],
    "irc": [
        (C, b"CAP LS 302\r\n"),
        (S, b":irc.x NOTICE AUTH :hi\r\n"),
        ESMTP[3],
        (S, b":irc.x 670 * :STARTTLS ok\r\n"),
    ],
    "ldap": [(C, LDAP_STARTTLS), (S, bytes.fromhex("300c02010178070a010004000400"))],
    "ldap, long lengths": [
        (C, b"\x30\x84\0\0\0\x21\2\1\3\x77\x84\0\0\0\x18" + LDAP_STARTTLS[7:]),
        (S, bytes.fromhex("3084000000100201037884000000070a010004000400")),
    ],
    "ldap, after a search": [
        (C, bytes.fromhex("302502010163200400 0a01000a0100020100020100010100870b") + b"objectClass\x30\0"),
        (S, bytes.fromhex("300c02010165070a010004000400")),
        (C, bytes.fromhex("301d0201027718") + LDAP_STARTTLS[7:]),
        (S, bytes.fromhex("300c02010278070a010004000400")),
    ],
    "xmpp": [*XMPP, (S, b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")],
    "postgresql": [(C, SSL_REQUEST), (S, b"S")],
    "postgresql, GSS first": [(C, GSS_REQUEST), (S, b"N"), (C, SSL_REQUEST), (S, b"S")],
    "mysql": [(S, mysql_greeting(0xDFFF_FFFF)), (C, MYSQL_REQUEST)],
    "rdp": [(C, rdp_request(11)), (S, rdp_confirm(2, 2))],
    "http-connect": [(C, CONNECT + b"\r\n"), (S, b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")],
    "http-connect, 407 first": [
        (C, CONNECT + b"\r\n"),
        (S, DENIED + b"Content-Length: 5\r\n\r\nsorry"),
        (C, CONNECT + b"Proxy-Authorization: Basic eA==\r\n\r\n"),
        (S, b"HTTP/1.0 200 OK\r\n\r\n"),
    ],
    "http-connect, 407 in chunks": [
        (C, CONNECT + b"\r\n"),
        (S, DENIED + b"Transfer-Encoding: chunked\r\n\r\n5\r\nsorry\r\n0\r\n\r\n"),
        (C, CONNECT + b"\r\n"),
        (S, b"HTTP/1.1 200 OK\r\n\r\n"),
    ],
    "http-upgrade": [
        (C, b"OPTIONS * HTTP/1.1\r\nHost: p\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n"),
        (S, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.0, HTTP/1.1\r\n\r\n"),
    ],
    "socks4": [(C, b"\4\1\1\xbb\xc0\0\2\1eva\0"), (S, b"\0\x5a\0\0\0\0\0\0")],
    "socks4, 4a": [(C, b"\4\1\1\xbb\0\0\0\1\0srv.example\0"), (S, b"\0\x5a\0\0\0\0\0\0")],
    "socks5": [(C, b"\5\2\0\2"), (S, b"\5\0"), (C, b"\5\1\0\3\x03a.b\1\xbb"), (S, b"\5\0\0\1\x7f\0\0\1\x04\x38")],
    "socks5, password": [
        (C, b"\5\1\2"),
        (S, b"\5\2"),
        (C, b"\1\3eva\4pass"),
        (S, b"\1\0"),
        (C, b"\5\1\0\4" + bytes(16) + b"\1\xbb"),
        (S, b"\5\0\0\3\x01x\x04\x38"),
    ],
    "proxy-protocol": [(C, b"PROXY TCP4 192.0.2.1 198.51.100.2 52176 443\r\n")],
    "proxy-protocol, unknown": [(C, b"PROXY UNKNOWN\r\n")],
    "proxy-protocol, version 2": [(C, proxy_v2(1, 0x11, bytes([192, 0, 2, 1, 198, 51, 100, 2, 203, 208, 1, 187])))],
    "proxy-protocol, local": [(C, proxy_v2(0, 0, b""))],
    "amqp": [(C, b"AMQP\2\1\0\0"), (S, b"AMQP\2\1\0\0")],
    "tds": [(C, tds_packet(0x12, prelogin(1))), (S, tds_packet(4, prelogin(1)))],
    "tds, login only": [(C, tds_packet(0x12, prelogin(0))), (S, tds_packet(4, prelogin(0)))],
    "rfb": [*VENCRYPT, (S, b"\1")],
    "rfb, type 18": [*VENCRYPT[:2], (S, b"\1\x12"), (C, b"\x12")],
    "nbd": [
        (S, b"NBDMAGICIHAVEOPT\0\3"),
        (C, b"\0\0\0\3" + b"IHAVEOPT" + pack(">II", 5, 0)),
        (S, nbd_reply(5, 1)),
    ],
    "nx": [(C, b"NXSH-8.10.1\n"), (S, b"NXD-8.10.1\n")],
    "adb": [(C, adb(b"CNXN", b"host::\0")), (S, adb(b"STLS")), (C, adb(b"STLS"))],
    "openvpn": OPENVPN,
}

REFUSED: dict[str, tuple[list[Turn], str]] = {
    "smtp": ([*ESMTP, (S, b"454 4.7.0 TLS not available\r\n")], "454 4.7.0 TLS not available"),
    "imap": ([(S, b"* OK x\r\n"), (C, b". STARTTLS\r\n"), (S, b". NO not today\r\n")], "not today"),
    "pop3": ([(S, b"+OK x\r\n"), (C, b"STLS\r\n"), (S, b"-ERR unknown\r\n")], "-ERR unknown"),
    "ftp": ([(S, b"220 x\r\n"), (C, b"AUTH TLS\r\n"), (S, b"534 policy\r\n")], "534 policy"),
    "nntp": ([(S, b"200 x\r\n"), (C, b"STARTTLS\r\n"), (S, b"580 cannot\r\n")], "580 cannot"),
    "managesieve": ([*MANAGESIEVE, (S, b'NO "busy"\r\n')], 'NO "busy"'),
    "irc": ([ESMTP[3], (S, b":irc.x 691 * :STARTTLS failed\r\n")], "691"),
    "ldap": (
        [(C, LDAP_STARTTLS), (S, bytes.fromhex("300f02010178 0a0a01340400 0403") + b"off")],
        "unavailable (52) off",
    ),
    "xmpp": ([*XMPP, (S, b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>")], "<failure"),
    "postgresql": ([(C, SSL_REQUEST), (S, b"N")], "N"),
    "postgresql, error": ([(C, SSL_REQUEST), (S, b"E\0\0\0\x10SFATAL\0Mtoo many\0\0")], "too many"),
    "rdp": ([(C, rdp_request(1)), (S, rdp_confirm(3, 5))], "HYBRID_REQUIRED_BY_SERVER (5)"),
    "rdp, chosen": ([(C, rdp_request(1)), (S, rdp_confirm(2, 0))], "standard RDP security"),
    "rdp, old server": ([(C, rdp_request(1)), (S, rdp_confirm(None))], "standard RDP security"),
    "http-connect": ([(C, CONNECT + b"\r\n"), (S, b"HTTP/1.1 403 Forbidden\r\n\r\n")], "HTTP/1.1 403 Forbidden"),
    "http-connect, 407": ([(C, CONNECT + b"\r\n"), (S, DENIED + b"\r\n")], "407 Proxy"),
    "http-upgrade": ([ACCEPTED["http-upgrade"][0], (S, b"HTTP/1.1 400 Bad Request\r\n\r\n")], "400 Bad Request"),
    "socks4": ([ACCEPTED["socks4"][0], (S, b"\0\x5b\0\0\0\0\0\0")], "rejected or failed (91)"),
    "socks5": ([*ACCEPTED["socks5"][:3], (S, b"\5\5\0\1\0\0\0\0\0\0")], "connection refused (5)"),
    "socks5, method": ([(C, b"\5\1\0"), (S, b"\5\xff")], "none of the client's methods"),
    "socks5, password": ([*ACCEPTED["socks5, password"][:3], (S, b"\1\1")], "name and password"),
    "amqp": ([(C, b"AMQP\2\1\0\0"), (S, b"AMQP\0\1\0\0")], "AMQP 0 1 0 0"),
    "tds": ([(C, tds_packet(0x12, prelogin(1))), (S, tds_packet(4, prelogin(2)))], "does not support encryption"),
    "rfb": ([*VENCRYPT, (S, b"\0")], "subtype 260"),
    "nbd": ([*ACCEPTED["nbd"][:2], (S, nbd_reply(5, 0x80000002))], "policy (2)"),
}

IN_CLEAR: dict[str, list[Turn]] = {
    "smtp": [*ESMTP[:3], (C, b"MAIL FROM:<a@b>\r\n"), (S, b"250 ok\r\n"), (C, b"DATA\r\nSTARTTLS\r\n")],
    "imap": [ACCEPTED["imap"][0], (C, b"a LOGIN eva {3}\r\nsec\r\n"), (S, b"a OK in\r\n")],
    "pop3": [
        (S, b"+OK x\r\n"),
        (C, b"USER a\r\n"),
        (S, b"+OK\r\n"),
        (C, b"PASS b\r\n"),
        (S, b"+OK\r\n"),
        (C, b"STAT\r\n"),
    ],
    "ftp": [
        (S, b"220 x\r\n"),
        (C, b"USER a\r\n"),
        (S, b"331 go on\r\n"),
        (C, b"PASS b\r\n"),
        (S, b"230 in\r\n"),
        (C, b"PWD\r\n"),
    ],
    "irc": [(C, b"NICK a\r\nUSER a 0 * :a\r\n"), (S, b":irc.x 001 a :Welcome\r\n")],
    "xmpp": [*XMPP[:3], (C, b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGE=</auth>")],
    "postgresql": [(C, b"\0\0\0\x12\0\3\0\0user\0eva\0\0"), (S, b"R\0\0\0\x08\0\0\0\0")],
    "mysql": [(S, mysql_greeting(0)), (C, mysql_packet(1, pack("<II", 0x00FFA685, 1 << 24) + bytes(60)))],
    "ldap": [
        (C, bytes.fromhex("301202010160 0d0201030404") + b"cn=a\x80\2pw"),
        (S, bytes.fromhex("300c02010161070a010004000400")),
    ],
    "rdp": [(C, rdp_request(0)), (S, rdp_confirm(None))],
    "socks5": [(C, b"\5\2\0\1"), (S, b"\5\1")],
    "amqp": [(C, b"AMQP\0\0\x09\1")],
    "tds": [(C, tds_packet(0x12, prelogin(0))), (S, tds_packet(4, prelogin(2)))],
    "rfb": [*VENCRYPT[:2], (S, b"\1\2"), (C, b"\2")],
    "adb": [(C, adb(b"CNXN")), (S, adb(b"CNXN")), (C, adb(b"OPEN"))],
    "openvpn": [
        (C, b"\0\x36\x38" + b"tls-crypt" * 5 + bytes(8)),
        (S, b"\0\x42\x40" + b"tls-crypt" * 7 + b"\1\1"),
    ],
}


def cuts(said: list[Turn]) -> list[tuple[bytes, bytes]]:
    """Both streams after every single byte of the dialogue."""
    found, streams = [], {C: b"", S: b""}
    for sender, data in said:
        for byte in data:
            streams[sender] += bytes([byte])
            found.append((streams[C], streams[S]))
    return found


def protocol(case: str) -> str:
    return case.partition(",")[0]


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted_at_the_last_byte_and_not_before(case: str) -> None:
    *before, (client, server) = cuts(ACCEPTED[case])
    states = [found.state if (found := recognize(*cut)) else None for cut in before]
    assert set(states) <= {"waiting", "refused"}
    assert "waiting" not in states[states.index("refused") :] if "refused" in states else True
    preamble = recognize(client, server)
    assert preamble is not None
    assert (preamble.name, preamble.state) == (protocol(case), "tls")
    whole = (0, 0) if preamble.framing == "openvpn" else (len(client), len(server))
    assert (preamble.client, preamble.server) == whole


@pytest.mark.parametrize("case", ACCEPTED)
def test_tls_begins_right_behind_it(case: str) -> None:
    client, server = turns(*ACCEPTED[case])
    preamble = recognize(client, server)
    prologue = follow(client + HELLO, server + SERVER_HELLO)
    assert prologue.preambles == (preamble,)
    assert (prologue.name, prologue.state) == (protocol(case), "tls")
    if prologue.framing is None:
        assert (prologue.client, prologue.server) == (len(client), len(server))


@pytest.mark.parametrize("case", [case for case, said in ACCEPTED.items() if said[-1][0] == S and len(said) > 1])
def test_a_client_that_does_not_wait_for_the_answer(case: str) -> None:
    *said, (_, answer) = ACCEPTED[case]
    client, server = turns(*said)
    early = recognize(client + HELLO, server)
    assert early is not None
    assert early.state in ("waiting", "refused")
    assert early.asked or early.state == "refused" or case == "openvpn"
    assert follow(client + HELLO, server + answer).state == "tls"


@pytest.mark.parametrize("case", ACCEPTED)
def test_sides_exchanged(case: str) -> None:
    client, server = turns(*ACCEPTED[case])
    prologue = follow(server + SERVER_HELLO, client + HELLO, client_known=False)
    assert (prologue.name, prologue.state) == (protocol(case), "tls")
    if protocol(case) not in ("amqp", "openvpn"):  # whose two sides say the same
        assert prologue.swapped
        assert (prologue.client, prologue.server) == (len(client), len(server))


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_the_words_of_the_peer(case: str) -> None:
    said, words = REFUSED[case]
    for cut in cuts(said)[:-1]:
        found = recognize(*cut)
        assert found is not None
        assert found.state in ("waiting", "refused")
    preamble = recognize(*turns(*said))
    assert preamble is not None
    assert (preamble.name, preamble.state) == (protocol(case), "refused")
    assert words in preamble.says


@pytest.mark.parametrize("case", IN_CLEAR)
def test_goes_on_in_clear(case: str) -> None:
    *before, last = cuts(IN_CLEAR[case])
    found = recognize(*last)
    assert found is not None
    assert (found.name, found.state) == (case, "other")
    for cut in before:
        early = recognize(*cut)
        assert early is not None
        assert early.state in ("waiting", "other")


@pytest.mark.parametrize("case", ["smtp", "imap", "pop3", "ftp", "irc", "xmpp"])
def test_what_is_settled_no_later_request_changes(case: str) -> None:
    """So it does not matter how much had arrived when it was looked at first."""
    found = [follow(*cut) for cut in cuts([*IN_CLEAR[case], *ACCEPTED[case][-2:]])]
    settled = [(one.state, one.preambles[-1].says) for one in found if one.is_settled]
    assert set(settled) == {(found[-1].state, found[-1].preambles[-1].says)}


@pytest.mark.parametrize(
    ("client", "server"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", b"SSH-2.0-OpenSSH_9.6\r\n"),
        (b"", b"SSH-2.0-OpenSSH_9.6\r\n"),
        (b"CONNECTED(00000003)\r\n", b""),
        (b"PROXY me if you can\r\n", b""),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b""),
        (b"\x05\x00\x0b\x03\x10\0\0\0\x74\0\0\0", b""),  # DCE/RPC
        (b"\x04\x02\0\x08\0\0\0\1", b"\x04\x03\0\x08\0\0\0\1"),  # OpenFlow 1.3
        (b"\x10\x2b\0\4MQTT\4\xc2", b"\x20\2\0\0"),
        (b"\0\0\0\x2f\xffSMBr\0\0\0\0", b"\0\0\0\x9f\xffSMBr\0\0\0\0"),
        (b"\0\x1d\0\0\1\0\0\1\0\0\0\0\0\0", b""),  # DNS over TCP
        (b"<policy-file-request/>\0", b""),
        (HELLO, SERVER_HELLO),
        (b"", b""),
    ],
)
def test_other_protocols_are_left_alone(client: bytes, server: bytes) -> None:
    assert recognize(client, server) is None


@pytest.mark.parametrize(
    ("name", "client", "server"),
    [
        ("smtp", b"STARTTLS\r\n", b"220 go\r\n"),
        ("smtp", b"STARTTLS\r\n", b"250-x\r\n250 STARTTLS\r\n220 go\r\n"),
        ("smtp", b"EHLO a\r\nSTARTTLS\r\n", b"250 STARTTLS\r\n220 go\r\n"),
        ("imap", b"a2 STARTTLS\r\n", b"a1 OK done\r\na2 OK go\r\n"),
        ("pop3", b"STLS\r\n", b"+OK go\r\n"),
        ("ftp", b"AUTH TLS\r\n", b"234 go\r\n"),
        ("nntp", b"STARTTLS\r\n", b"382 go\r\n"),
        ("mysql", MYSQL_REQUEST, b""),
    ],
)
def test_captures_that_begin_in_mid_dialogue(name: str, client: bytes, server: bytes) -> None:
    prologue = follow(client + HELLO, server + SERVER_HELLO)
    assert (prologue.name, prologue.state) == (name, "tls")
    assert (prologue.client, prologue.server) == (len(client), len(server))


@pytest.mark.parametrize(
    ("name", "client"),
    [
        ("smtp", b"EHLO a\r\nSTARTTLS\r\n"),
        ("imap", b"a1 CAPABILITY\r\na2 STARTTLS\r\n"),
        ("http-connect", CONNECT + b"\r\n"),
        ("postgresql", SSL_REQUEST),
        ("mysql", MYSQL_REQUEST),
        ("ldap", LDAP_STARTTLS),
        ("rdp", rdp_request(1)),
    ],
)
def test_captures_without_the_server(name: str, client: bytes) -> None:
    assert follow(client + HELLO, b"").state == "waiting"
    prologue = follow(client + HELLO, b"", ended=True)
    assert (prologue.name, prologue.state, prologue.client) == (name, "tls", len(client))
    assert follow(client, b"", ended=True).state == "waiting"


def test_preambles_chain() -> None:
    chain = ["proxy-protocol", "http-connect", "socks5", "smtp"]
    said = [turn for name in chain for turn in ACCEPTED[name]]
    client, server = turns(*said)
    for cut in cuts(said)[:-1]:
        assert follow(*cut).state == "waiting"
    prologue = follow(client + HELLO, server + SERVER_HELLO)
    assert (prologue.name, prologue.state) == ("+".join(chain), "tls")
    assert (prologue.client, prologue.server) == (len(client), len(server))


def test_a_refusal_deep_in_a_tunnel() -> None:
    client, server = turns(*ACCEPTED["http-connect"], *REFUSED["smtp"][0])
    prologue = follow(client, server)
    assert (prologue.name, prologue.state) == ("http-connect+smtp", "refused")
    assert (prologue.client, prologue.server) == (len(client), len(server))


def test_a_tunnel_may_hold_anything_but_a_promise_binds() -> None:
    tunnel, promise = turns(*ACCEPTED["http-connect"]), turns(*ACCEPTED["smtp"])
    assert follow(*tunnel).state == "waiting"
    assert follow(tunnel[0] + b"GET / HTTP/1.1\r\n\r\n", tunnel[1]).state == "unknown"
    assert follow(*promise).state == "tls"
    assert follow(promise[0] + b"EHLO again\r\n", promise[1]).state == "unknown"


def test_tls_toward_a_plaintext_server_is_tls() -> None:
    prologue = follow(HELLO, b"220 mail.example ESMTP\r\n500 what?\r\n")
    assert (prologue.state, prologue.client, prologue.server) == ("tls", 0, 0)


def test_proxy_protocol_tells_of_the_original_client_certificate() -> None:
    version, name = b"\x21\0\x07TLSv1.3", b"\x22\0\3eva"
    ssl = b"\x07" + bytes(4) + version + name
    addresses = bytes([192, 0, 2, 1, 198, 51, 100, 2, 203, 208, 1, 187])
    preamble = recognize(proxy_v2(1, 0x11, addresses + b"\x20" + len(ssl).to_bytes(2) + ssl), b"")
    assert preamble is not None
    assert "192.0.2.1 port 52176 to 198.51.100.2 port 443" in preamble.says
    assert "TLSv1.3" in preamble.says
    assert "certificate (eva)" in preamble.says


def test_peer_text_is_cut_with_a_mark_and_credentials_are_not_quoted() -> None:
    preamble = recognize(*turns(*ESMTP, (S, b"454 " + b"x" * 7000 + b"\r\n")))
    assert preamble is not None
    assert preamble.says.endswith("…")
    assert len(preamble.says) < 260
    login = recognize(b"a LOGIN eva hunter2\r\n", b"* OK x\r\na OK in\r\n")
    assert login is not None
    assert "hunter2" not in login.says


def test_every_preamble_says_how_tls_begins_in_it() -> None:
    registry = Registry("analyzer.tls.preambles")
    assert set(registry.names()) == {protocol(case) for case in ACCEPTED}
    for name in registry.names():
        assert "TLS" in registry.documentation(name)


def is_sound(client: bytes, server: bytes) -> bool:
    """Whether whatever is found lies within the bytes."""
    found = [recognize(client, server)]
    prologues = [follow(client, server), follow(client, server, client_known=False)]
    inside = all(
        0 <= p.client <= len(server if p.swapped else client) and 0 <= p.server <= len(client if p.swapped else server)
        for p in prologues
    )
    return inside and all(p is None or (p.client <= len(client) and p.server <= len(server)) for p in found)


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_any_bytes(client: bytes, server: bytes) -> None:
    assert is_sound(client, server)


@given(
    st.sampled_from([*ACCEPTED.values(), *(said for said, _ in REFUSED.values()), *IN_CLEAR.values()]),
    st.lists(st.tuples(st.sampled_from([C, S]), st.integers(0, 300), st.binary(max_size=3)), max_size=3),
    st.binary(max_size=8),
)
def test_damaged_dialogues(said: list[Turn], damages: list[tuple[str, int, bytes]], tail: bytes) -> None:
    streams = dict(zip((C, S), turns(*said), strict=True))
    for side, position, put in damages:
        streams[side] = streams[side][:position] + put + streams[side][position + 1 :]
    assert is_sound(streams[C] + tail, streams[S] + tail)


def test_what_looks_like_tls() -> None:
    assert begins_tls(HELLO)
    assert begins_tls(bytes.fromhex("802e0100020015000000"))  # SSLv2 ClientHello
    assert begins_tls(b"") is None
    assert begins_tls(b"\x16\x03") is None
    assert begins_tls(b"\x16\x02\x01") is False
    assert begins_tls(b"STARTTLS") is False


def fed(framing: str, stream: bytes, sizes: list[int]) -> tuple[bytes, bool, bool]:
    """What a deframer takes out of a stream that arrives in pieces; checks where it says that it was."""
    made = deframer(framing)
    taken, position = b"", 0
    for size in [*sizes, len(stream)]:
        for chunk in made.feed(stream[position : position + size]):
            carried = stream[chunk.begin : chunk.end]
            assert carried == chunk.data or base64.b64decode(carried) == chunk.data
            taken += chunk.data
        position += size
    return taken, made.raw, made.ended


SIZES = st.lists(st.integers(1, 40), max_size=40)


@given(SIZES, st.lists(st.integers(1, 90), max_size=5))
def test_tds_packets_then_bare_records(sizes: list[int], packets: list[int]) -> None:
    records, bare, stream = HELLO * 3, b"\x17\x03\x03\x00\x05hello", b""
    left = records
    for size in [*packets, len(records)]:
        piece, left = left[:size], left[size:]
        stream += tds_packet(0x12, piece)
    assert fed("tds", stream + bare, sizes) == (records + bare, True, False)


def test_tds_that_goes_on_in_clear() -> None:
    assert fed("tds", tds_packet(0x12, HELLO) + tds_packet(0x01, b"SELECT 1"), []) == (HELLO, False, True)


@given(SIZES)
def test_gssapi_tokens(sizes: list[int]) -> None:
    line = base64.b64encode(SERVER_HELLO)
    stream = b"335 ADAT=" + line + b"\r\n" + b"150 wait\r\n" + b"235 ADAT=" + line + b"\r\n"
    assert fed("gssapi-ftp", stream, sizes) == (SERVER_HELLO * 2, False, False)


def test_gssapi_with_tls_tokens_and_without() -> None:
    said = [(S, b"220 x\r\n"), (C, b"AUTH GSSAPI\r\n"), (S, b"334 ADAT must follow\r\n")]
    waiting = recognize(*turns(*said))
    assert waiting is not None
    assert waiting.state == "waiting"
    client, server = turns(*said, (C, b"ADAT " + base64.b64encode(HELLO) + b"\r\n"))
    prologue = follow(client, server)
    assert (prologue.name, prologue.state, prologue.framing) == ("ftp", "tls", "gssapi-ftp")
    assert fed("gssapi-ftp", client[prologue.client :], []) == (HELLO, False, False)
    kerberos = recognize(*turns(*said, (C, b"ADAT " + base64.b64encode(b"\x60\x82" + bytes(40)) + b"\r\n")))
    assert kerberos is not None
    assert kerberos.state == "other"


def openvpn_packet(opcode: int, rest: bytes) -> bytes:
    packet = bytes([opcode << 3]) + b"clientid" + rest
    return len(packet).to_bytes(2) + packet


@given(SIZES, st.sampled_from([b"", b"\xaa" * 20, b"\xaa" * 32]))
def test_openvpn_control_packets(sizes: list[int], mac: bytes) -> None:
    guard = mac + b"\0\0\0\1" + b"time" if mac else b""
    acks = b"\1\0\0\0\0serverid"
    first = openvpn_packet(4, guard + acks + pack(">I", 1) + HELLO[:20])
    stream = (
        openvpn_packet(7, guard + b"\0" + bytes(4))
        + openvpn_packet(5, guard + acks)
        + first * 2  # sent again
        + openvpn_packet(4, guard + b"\0" + pack(">I", 2) + HELLO[20:])
        + openvpn_packet(6, b"tunnelled packets")
    )
    assert fed("openvpn", stream, sizes) == (HELLO, False, True)


@given(st.sampled_from(["tds", "gssapi-ftp", "openvpn"]), st.binary(max_size=200), SIZES)
def test_deframers_take_any_bytes(framing: str, stream: bytes, sizes: list[int]) -> None:
    made = deframer(framing)
    position = 0
    for size in [*sizes, len(stream)]:
        for chunk in made.feed(stream[position : position + size]):
            assert 0 <= chunk.begin < chunk.end <= len(stream)
        position += size


TSHARK_PORTS = {
    25: ["smtp", "smtp, after 530", "smtp, second try"],
    143: ["imap"],
    110: ["pop3"],
    21: ["ftp"],
    119: ["nntp"],
    389: ["ldap", "ldap, long lengths", "ldap, after a search"],
    443: ["proxy-protocol"],
    1080: ["socks4", "socks4, 4a", "socks5", "socks5, password"],
    1433: ["tds"],
    3128: ["http-connect", "http-connect, 407 first", "http-connect, 407 in chunks"],
    3306: ["mysql"],
    5222: ["xmpp"],
    5432: ["postgresql"],
    5900: ["rfb"],
}


@pytest.mark.skipif(not shutil.which("tshark"), reason="no tshark")
def test_tshark_too_sees_tls_behind_these_dialogues(tmp_path: Path) -> None:
    from scapy.layers.inet import IP, TCP
    from scapy.utils import wrpcap

    frames = []
    dialogues = [(port, case) for port, cases in TSHARK_PORTS.items() for case in cases]
    for stream, (port, case) in enumerate(dialogues):
        ports, addresses, sequence = {C: 40000 + stream, S: port}, {C: "192.0.2.1", S: "192.0.2.2"}, {C: 1000, S: 5000}
        hello = tds_packet(0x12, HELLO) if case == "tds" else HELLO
        for sender, data in [(C, b""), (S, b""), *ACCEPTED[case], (C, hello)]:
            other = S if sender == C else C
            flags = "PA" if data else "S" if sender == C else "SA"
            ip = IP(src=addresses[sender], dst=addresses[other])
            tcp = TCP(sport=ports[sender], dport=ports[other], seq=sequence[sender], ack=sequence[other], flags=flags)
            frames.append(ip / tcp / data)
            sequence[sender] += len(data) or 1
    wrpcap(str(tmp_path / "forged.pcap"), frames)
    command = [
        "tshark",
        "-n",
        "-r",
        "forged.pcap",
        "-Y",
        "tls.handshake.type == 1",
        "-T",
        "fields",
        "-e",
        "tcp.srcport",
    ]
    seen = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60).stdout
    assert {dialogues[int(port) - 40000][1] for port in seen.split()} == {case for _, case in dialogues}


CORPUS = Path(__file__).parents[2] / "shared/corpus"
NDPI, ZEEK = "public/ntop+nDPI__tests__cfgs__default__pcap__", "public/zeek+zeek__testing__btest__Traces__"
SEEN = {
    ("lab/starttls-imap-openssl-tls13-optional-none.pcap", 0): "imap",
    ("lab/curl-nginx-proxy-protocol-v1.pcap", 0): "proxy-protocol",
    (f"{NDPI}http_connect.pcap", 0): "http-connect",
    (f"{NDPI}ftp-start-tls.pcap", 0): "ftp",
    (f"{NDPI}pop3_stls.pcap", 0): "pop3",
    (f"{NDPI}smtp-starttls.pcap", 1): "smtp",
    (f"{NDPI}pgsql2.pcapng", 0): "postgresql",
    (f"{NDPI}nomachine.pcapng", 0): "nx",
    (f"{NDPI}tls_heur__shadowsocks-tcp.pcapng", 0): "socks5",
    (f"{NDPI}openvpn.pcap", 0): "openvpn",
    (f"{ZEEK}mysql__tls-12-amazon-rds.pcap", 0): "mysql",
    (f"{ZEEK}tls__xmpp-starttls.pcap", 0): "xmpp",
    (f"{ZEEK}globus-url-copy.pcap", 0): "ftp",
    ("public/OISF+suricata-verify__tests__ldap-starttls__input.pcap", 0): "ldap",
    ("public/arkime+arkime__tests__pcap__adb_synthetic.pcap", 4): "adb",
}


@pytest.mark.slow
@pytest.mark.skipif(not CORPUS.is_dir(), reason="no ../shared/corpus")
@pytest.mark.skipif(not shutil.which("tshark"), reason="no tshark")
@pytest.mark.parametrize(("capture", "stream"), SEEN)
def test_real_captures(capture: str, stream: int) -> None:
    command = ["tshark", "-n", "-r", str(CORPUS / capture), "-q", "-z", f"follow,tcp,raw,{stream}"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    lines = shown[shown.index(next(line for line in shown if line.startswith("Node 1"))) + 1 : -1]
    client = b"".join(bytes.fromhex(line) for line in lines if not line.startswith("\t"))
    server = b"".join(bytes.fromhex(line) for line in lines if line.startswith("\t"))
    prologue = follow(client[:65536], server[:65536])
    assert (prologue.name, prologue.state) == (SEEN[capture, stream], "tls")
    for data, position, message in ((client, prologue.client, 1), (server, prologue.server, 2)):
        rest = data[position:]
        if prologue.framing:
            rest = b"".join(chunk.data for chunk in deframer(prologue.framing).feed(rest))
        assert begins_tls(rest)
        assert rest[5] == message
