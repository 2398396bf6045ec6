"""Handshake messages are read as built, and no bytes whatsoever make a parser raise."""

import zlib
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.tls import messages, registry
from analyzer.tls.extensions import EncryptedClientHello, Extended, Parsed
from analyzer.tls.messages import MalformedMessage, parse, parse_sslv2

RANDOM = bytes(range(32))
TLS12, TLS13, TLS11, SSL3, DTLS12 = 0x0303, 0x0304, 0x0302, 0x0300, 0xFEFD


def v8(*parts: bytes) -> bytes:
    return len(b"".join(parts)).to_bytes(1) + b"".join(parts)


def v16(*parts: bytes) -> bytes:
    return len(b"".join(parts)).to_bytes(2) + b"".join(parts)


def v24(*parts: bytes) -> bytes:
    return len(b"".join(parts)).to_bytes(3) + b"".join(parts)


def u16(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(2) for number in numbers)


def extensions(*pairs: tuple[int, bytes]) -> bytes:
    return v16(*(u16(type_) + v16(data) for type_, data in pairs))


def client_hello(*pairs: tuple[int, bytes], version: int = TLS12, cookie: bytes = b"") -> bytes:
    suites = v16(u16(0x0A0A, 0x1301, 0xC02F))
    return u16(version) + RANDOM + v8(b"session") + cookie + suites + v8(b"\0") + extensions(*pairs)


def server_hello(*pairs: tuple[int, bytes], random: bytes = RANDOM) -> bytes:
    return u16(TLS12) + random + v8(b"session") + u16(0x1301) + b"\0" + extensions(*pairs)


CLIENT_EXTENSIONS = [
    (0x1A1A, b""),
    (0, v16(b"\0" + v16(b"xn--bcher-kva.example"))),
    (1, b"\2"),
    (5, b"\1" + v16() + v16()),
    (10, v16(u16(0x11EC, 29))),
    (11, v8(b"\0\1")),
    (13, v16(u16(0x0403, 0x0804))),
    (16, v16(v8(b"h2"), v8(b"\xff1"))),
    (18, b""),
    (19, v8(b"\2\0")),
    (20, v8(b"\0")),
    (22, b""),
    (23, b""),
    (27, v8(u16(2, 1))),
    (28, u16(16385)),
    (34, v16(u16(0x0403))),
    (35, b"ticket"),
    (42, b""),
    (43, v8(u16(0x2A2A, TLS13, TLS12))),
    (44, v16(b"cookie")),
    (45, v8(b"\1")),
    (47, v16(v16(b"DN"), v16(b"another"))),
    (49, b""),
    (50, v16(u16(0x0401))),
    (51, v16(u16(0x11EC), v16(b"long"), u16(29), v16(b"short"))),
    (57, b"parameters"),
    (65037, b"\0" + u16(1, 3) + b"\7" + v16(b"enc") + v16(b"payload")),
    (65281, v8(b"verify")),
    (41, v16(v16(b"identity") + b"\0\0\0\1") + v16(v8(b"binder" * 6))),
]
CLIENT_ACCESSORS = {
    "server_name": "xn--bcher-kva.example",
    "max_fragment_length": 2,
    "status_request": 1,
    "supported_groups": (0x11EC, 29),
    "ec_point_formats": (0, 1),
    "signature_algorithms": (0x0403, 0x0804),
    "alpn": ("h2", "\\xff1"),
    "signed_certificate_timestamp": True,
    "client_certificate_types": (2, 0),
    "server_certificate_types": (0,),
    "encrypt_then_mac": True,
    "extended_master_secret": True,
    "compress_certificate": (2, 1),
    "record_size_limit": 16385,
    "delegated_credential": (0x0403,),
    "session_ticket": b"ticket",
    "early_data": True,
    "supported_versions": (0x2A2A, TLS13, TLS12),
    "cookie": b"cookie",
    "psk_modes": (1,),
    "certificate_authorities": (b"DN", b"another"),
    "post_handshake_auth": True,
    "signature_algorithms_cert": (0x0401,),
    "key_share_groups": (0x11EC, 29),
    "quic_transport_parameters": b"parameters",
    "encrypted_client_hello": EncryptedClientHello(False, 1, 3, 7, b"enc", b"payload"),
    "renegotiation_info": b"verify",
    "psk_identities": ((b"identity", 1),),
}
HELLO = client_hello(*CLIENT_EXTENSIONS)


def accessors(message: Extended) -> dict[str, object]:
    """Every accessor's value; reading them is the test."""
    names = [name for base in type(message).__mro__ for name, a in vars(base).items() if isinstance(a, Parsed)]
    return {name: getattr(message, name) for name in names}


def test_client_hello():
    hello = parse(1, HELLO)
    assert isinstance(hello, messages.ClientHello)
    assert hello.name == "client_hello"
    assert (hello.legacy_version, hello.random, hello.session_id) == (TLS12, RANDOM, b"session")
    assert hello.cipher_suites == (0x0A0A, 0x1301, 0xC02F)
    assert hello.compression_methods == b"\0"
    assert list(hello.extensions) == CLIENT_EXTENSIONS
    assert accessors(hello) == CLIENT_ACCESSORS
    assert (hello.malformed_extensions, hello.hello_verify_cookie, hello.trailing) == ((), None, b"")


def test_client_hello_cut_at_every_byte():
    """Only the whole hello, and the one without any extensions (RFC 5246, section 7.4.1.2), are hellos."""
    without = len(HELLO) - len(extensions(*CLIENT_EXTENSIONS))
    for length in range(len(HELLO) + 1):
        message = parse(1, HELLO[:length])
        if length in (without, len(HELLO)):
            assert isinstance(message, messages.ClientHello)
        else:
            assert isinstance(message, MalformedMessage) and message.reason
            assert (message.name, message.body) == ("client_hello", HELLO[:length])


def test_hellos_keep_what_follows_them():
    client, server = parse(1, HELLO + b"more"), parse(2, server_hello() + b"more")
    assert isinstance(client, messages.ClientHello) and isinstance(server, messages.ServerHello)
    assert client.trailing == server.trailing == b"more"


RAW = (0x1A1A, 35, 57)


@pytest.mark.parametrize(("type_", "data"), [pair for pair in CLIENT_EXTENSIONS if pair[0] not in RAW])
def test_malformed_extension_is_none_and_listed(type_, data):
    """One byte too many, or one too few, spoils an extension; of one without content only presence counts."""
    for damaged in {data + b"\0", data[:-1]} - {data}:
        hello = parse(1, client_hello((type_, damaged), (21, b"\0")))
        assert isinstance(hello, messages.ClientHello)
        assert hello.malformed_extensions == (type_,)
        assert {value for value in accessors(hello).values() if value} == (set() if data else {True})


def test_first_of_two_extensions_counts():
    hello = parse(1, client_hello((28, u16(100)), (28, u16(200))))
    assert isinstance(hello, messages.ClientHello) and hello.record_size_limit == 100


def test_hostile_server_name_stays_text():
    hello = parse(1, client_hello((0, v16(b"\0" + v16(b"\xc3\xa4\n\xff")))))
    assert isinstance(hello, messages.ClientHello) and hello.server_name == "\\xc3\\xa4\n\\xff"


def test_dtls_client_hello_has_a_cookie():
    hello = parse(1, client_hello(version=DTLS12, cookie=v8(b"cookie")))
    assert isinstance(hello, messages.ClientHello)
    assert hello.hello_verify_cookie == b"cookie" and hello.cipher_suites == (0x0A0A, 0x1301, 0xC02F)


def test_server_hello():
    pairs = [(43, u16(TLS13)), (51, u16(29) + v16(b"share")), (41, u16(0)), (16, v16(v8(b"h2")))]
    hello = parse(2, server_hello(*pairs))
    assert isinstance(hello, messages.ServerHello)
    assert (hello.name, hello.is_hello_retry_request) == ("server_hello", False)
    assert (hello.legacy_version, hello.selected_version) == (TLS12, TLS13)
    assert (hello.session_id, hello.cipher_suite, hello.compression_method) == (b"session", 0x1301, 0)
    assert (hello.key_share_group, hello.selected_psk, hello.alpn) == (29, 0, "h2")
    assert list(hello.extensions) == pairs
    assert hello.downgrade is None


def test_hello_retry_request():
    hello = parse(2, server_hello((51, u16(24)), (44, v16(b"c")), random=sha256(b"HelloRetryRequest").digest()))
    assert isinstance(hello, messages.ServerHello)
    assert (hello.name, hello.is_hello_retry_request) == ("hello_retry_request", True)
    assert (hello.key_share_group, hello.cookie) == (24, b"c")


@pytest.mark.parametrize(("end", "version"), [(b"\1", "TLSv1.2"), (b"\0", "TLSv1.1"), (b"\2", None)])
def test_downgrade(end, version):
    hello = parse(2, server_hello(random=RANDOM[:24] + b"DOWNGRD" + end))
    assert isinstance(hello, messages.ServerHello) and hello.downgrade == version


def test_server_hello_of_early_drafts():
    """Up to draft 21 of TLS 1.3 there was neither session id nor compression method."""
    hello = parse(2, u16(0x7F12) + RANDOM + u16(0x1301) + extensions((40, u16(29) + v16(b"share"))))
    assert isinstance(hello, messages.ServerHello)
    assert (hello.cipher_suite, hello.session_id, hello.key_share_group) == (0x1301, b"", 29)
    assert registry.version(hello.selected_version) == "TLSv1.3"


ENTRY = messages.CertificateEntry
STAPLE = (5, b"\1" + v24(b"ocsp"))
CERTIFICATE13 = v8(b"context") + v24(v24(b"leaf") + extensions(STAPLE, (18, v16(v16(b"sct")))), v24(b"ca") + v16())
PACKED = zlib.compress(CERTIFICATE13)
REQUEST13 = v8() + extensions((13, v16(u16(0x0804))), (47, v16(v16(b"DN"))), (48, v16(v8(b"oid") + v16(b"value"))))
OTHERS = [
    (0, TLS12, b"", messages.HelloRequest()),
    (3, 0, u16(0xFEFF) + v8(b"cookie"), messages.HelloVerifyRequest(0xFEFF, b"cookie")),
    (4, TLS12, b"\0\0\1\0" + v16(b"ticket"), messages.NewSessionTicket(256, b"ticket")),
    (
        4,
        0x7F1C,
        b"\0\0\1\0\0\0\0\5" + v8(b"n") + v16(b"ticket") + extensions((42, b"\0\0\1\1")),
        messages.NewSessionTicket(256, b"ticket", 5, b"n", ((42, b"\0\0\1\1"),)),
    ),
    (5, TLS13, b"", messages.EndOfEarlyData()),
    (8, TLS13, extensions((16, v16(v8(b"h2")))), messages.EncryptedExtensions(((16, v16(v8(b"h2"))),))),
    (11, TLS12, v24(v24(b"leaf"), v24(b"ca")), messages.Certificate((ENTRY(b"leaf"), ENTRY(b"ca")))),
    (11, DTLS12, v24(), messages.Certificate(())),
    (11, TLS12, v24(b"\x30\3abc"), messages.Certificate((ENTRY(b"\x30\3abc"),))),
    (
        11,
        TLS13,
        CERTIFICATE13,
        messages.Certificate((ENTRY(b"leaf", (STAPLE, (18, v16(v16(b"sct"))))), ENTRY(b"ca")), b"context"),
    ),
    (12, TLS12, b"anything", messages.ServerKeyExchange(b"anything")),
    (13, TLS11, v8(b"\1\x40") + v16(v16(b"DN")), messages.CertificateRequest((1, 64), None, (b"DN",))),
    (13, TLS12, v8(b"\1") + v16(u16(0x0401)) + v16(), messages.CertificateRequest((1,), (0x0401,), ())),
    (14, TLS12, b"", messages.ServerHelloDone()),
    (15, TLS11, v16(b"signature"), messages.CertificateVerify(None, b"signature")),
    (15, TLS13, u16(0x0804) + v16(b"signature"), messages.CertificateVerify(0x0804, b"signature")),
    (16, TLS12, b"anything", messages.ClientKeyExchange(b"anything")),
    (20, TLS12, b"twelve bytes", messages.Finished(b"twelve bytes")),
    (21, TLS12, b"\1" + v16(v16(b"url") + b"\1" + bytes(20)), messages.CertificateURL(True, ((b"url", bytes(20)),))),
    (22, TLS12, b"\1" + v24(b"ocsp"), messages.CertificateStatus(1, (b"ocsp",))),
    (22, TLS12, b"\2" + v24(v24(b"ocsp"), v24()), messages.CertificateStatus(2, (b"ocsp", b""))),
    (23, TLS12, v24(u16(7) + v16(b"data")), messages.SupplementalData(((7, b"data"),))),
    (24, TLS13, b"\1", messages.KeyUpdate(1)),
    (67, TLS12, v8(b"spdy/3") + v8(bytes(24)), messages.NextProtocol(b"spdy/3")),
    (99, TLS12, b"body", messages.Unknown(99, b"body")),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "version", "body", "expected"), OTHERS)
def test_message(type_, version, body, expected):
    message = parse(type_, body, version)
    assert message == expected
    assert message.name == registry.handshake_type(type_)


@pytest.mark.parametrize(("type_", "version", "body"), [row[:3] for row in OTHERS] + [(13, TLS13, REQUEST13)])
def test_message_cut_or_continued_is_malformed(type_, version, body):
    if type_ in (12, 16, 20, 99):  # any body is one
        return
    for damaged in [body[:length] for length in range(len(body))] + [body + b"\0"]:
        message = parse(type_, damaged, version)
        assert isinstance(message, MalformedMessage)
        assert (message.type, message.body, message.name) == (type_, damaged, registry.handshake_type(type_))


def test_certificate_request_of_tls13():
    request = parse(13, REQUEST13, TLS13)
    assert isinstance(request, messages.CertificateRequest)
    assert (request.certificate_types, request.signature_algorithms) == ((), (0x0804,))
    assert request.certificate_authorities == (b"DN",)
    assert request.oid_filters == ((b"oid", b"value"),)


def test_certificate_entries():
    certificate = parse(11, CERTIFICATE13, TLS13)
    assert isinstance(certificate, messages.Certificate)
    assert certificate.certificates == (b"leaf", b"ca")
    assert certificate.entries[0].ocsp_response == b"ocsp"
    assert certificate.entries[0].signed_certificate_timestamps == (b"sct",)
    assert certificate.entries[1].ocsp_response is None


def test_compressed_certificate():
    message = parse(25, u16(1) + len(CERTIFICATE13).to_bytes(3) + v24(PACKED), TLS13)
    assert isinstance(message, messages.CompressedCertificate)
    assert message.certificate == parse(11, CERTIFICATE13, TLS13) and message.reason is None
    assert (message.algorithm, message.uncompressed_length, message.compressed) == (1, len(CERTIFICATE13), PACKED)


@pytest.mark.parametrize(
    ("algorithm", "length", "packed", "reason"),
    [
        (2, len(CERTIFICATE13), PACKED, "brotli"),
        (1, len(CERTIFICATE13) - 1, PACKED, "expected"),
        (1, len(CERTIFICATE13) + 1, PACKED, "expected"),
        (1, len(CERTIFICATE13), PACKED[:-1], "expected"),
        (1, len(CERTIFICATE13), PACKED + b"\0", "expected"),
        (1, len(CERTIFICATE13), b"rubbish", "zlib"),
        (1, 0xFFFFFF, zlib.compress(bytes(0xFFFFFF)), "more than"),
        (1, 3, zlib.compress(b"abc"), "left"),
    ],
)
def test_compressed_certificate_that_cannot_be_read(algorithm, length, packed, reason):
    message = parse(25, u16(algorithm) + length.to_bytes(3) + v24(packed), TLS13)
    assert isinstance(message, messages.CompressedCertificate)
    assert message.certificate is None and reason in (message.reason or "")
    assert message.compressed == packed


def suite(code: int) -> registry.Suite:
    found = registry.suite(code)
    assert found is not None
    return found


SIGNATURE = v16(b"signature")
NAMED = b"\3" + u16(29) + v8(b"point")
EXPLICIT = b"\1" + v8(b"prime") + v8(b"a") + v8(b"b") + v8(b"base") + v8(b"order") + v8(b"h") + v8(b"point")
BINARY = b"\2" + u16(163) + b"\2" + v8(b"1") + v8(b"2") + v8(b"3") + EXPLICIT[7:]
DH = v16(b"p") + v16(b"g") + v16(b"Y")


@pytest.mark.parametrize(
    ("code", "version", "parameters", "signature", "expected"),
    [
        (0xC02F, TLS12, NAMED, u16(0x0804) + SIGNATURE, {"group": 29, "public": b"point", "signature_scheme": 0x0804}),
        (0xC013, TLS11, NAMED, SIGNATURE, {"group": 29, "public": b"point"}),
        (0xC013, SSL3, EXPLICIT, SIGNATURE, {"group": None, "public": b"point", "prime": b"prime"}),
        (0xC013, TLS11, BINARY, SIGNATURE, {"group": None, "public": b"point"}),
        (0xC018, TLS12, NAMED, b"", {"group": 29}),
        (0xC037, TLS12, v16(b"hint") + NAMED, b"", {"psk_identity_hint": b"hint", "public": b"point"}),
        (0x009E, DTLS12, DH, u16(0x0401) + SIGNATURE, {"prime": b"p", "generator": b"g", "public": b"Y"}),
        (0x0034, TLS12, DH, b"", {"public": b"Y"}),
        (0x00AA, TLS12, v16(b"") + DH, b"", {"psk_identity_hint": b"", "public": b"Y"}),
        (0x00A8, TLS12, v16(b"hint"), b"", {"psk_identity_hint": b"hint"}),
        (0x00AC, TLS12, v16(b"hint"), b"", {"psk_identity_hint": b"hint"}),
        (0x0003, 0x0301, v16(b"n") + v16(b"e"), SIGNATURE, {"modulus": b"n", "exponent": b"e"}),
        (0xC01E, TLS12, v16(b"N") + v16(b"g") + v8(b"s") + v16(b"B"), u16(0x0401) + SIGNATURE, {"salt": b"s"}),
        (0xC01D, TLS12, v16(b"N") + v16(b"g") + v8(b"s") + v16(b"B"), b"", {"public": b"B"}),
    ],
)  # fmt: skip
def test_server_key_exchange(code, version, parameters, signature, expected):
    message = messages.ServerKeyExchange(parameters + signature)
    found = message.parameters(suite(code), version)
    assert isinstance(found, messages.ServerKeyExchangeParameters)
    assert {name: getattr(found, name) for name in expected} == expected
    assert found.signature == (b"signature" if signature else None)
    assert found.signed == parameters
    for length in range(len(message.body)):
        cut = messages.ServerKeyExchange(message.body[:length]).parameters(suite(code), version)
        assert isinstance(cut, MalformedMessage) and cut.name == "server_key_exchange"


@pytest.mark.parametrize(
    ("code", "version", "body", "expected"),
    [
        (0x002F, TLS12, v16(b"secret"), (b"secret", b"", None)),
        (0x002F, SSL3, b"secret", (b"secret", b"", None)),
        (0x002F, TLS12, b"a copy of SSL 3.0", (b"a copy of SSL 3.0", b"", None)),
        (0xC02F, TLS12, v8(b"point"), (b"", b"point", None)),
        (0x0033, TLS11, v16(b"Y"), (b"", b"Y", None)),
        (0x0033, TLS11, b"", (b"", b"", None)),
        (0x00A8, TLS12, v16(b"identity"), (b"", b"", b"identity")),
        (0xC037, TLS12, v16(b"identity") + v8(b"point"), (b"", b"point", b"identity")),
        (0x00AC, TLS12, v16(b"identity") + v16(b"secret"), (b"secret", b"", b"identity")),
    ],
)
def test_client_key_exchange(code, version, body, expected):
    found = messages.ClientKeyExchange(body).parameters(suite(code), version)
    assert isinstance(found, messages.ClientKeyExchangeParameters)
    assert (found.encrypted_pre_master_secret, found.public, found.psk_identity) == expected


def test_key_exchange_that_is_not_read():
    for message in (messages.ServerKeyExchange(b"x"), messages.ClientKeyExchange(b"x")):
        assert isinstance(message.parameters(suite(0x001E), TLS12), MalformedMessage)  # Kerberos


def test_sslv2_client_hello():
    kinds = bytes.fromhex("01008000c02f0000ff")
    hello = parse_sslv2(b"\1" + u16(0x0301, len(kinds), 0, 16) + kinds + b"challenge of 16!")
    assert isinstance(hello, messages.ClientHello)
    assert hello.is_sslv2_format and hello.name == "client_hello"
    assert hello.cipher_suites == (0x010080, 0xC02F, 0x00FF)
    assert hello.random == bytes(16) + b"challenge of 16!"
    assert hello.server_name is None


def test_sslv2_server_side():
    body = b"\4\0\1" + u16(2, 3, 3, 4) + b"DER" + bytes.fromhex("010080") + b"conn"
    expected = messages.SSLv2ServerHello(2, False, b"DER", (0x010080,), b"conn")
    assert parse_sslv2(body) == expected and expected.name == "server_hello"
    key = parse_sslv2(b"\2\1\0\x80" + u16(0, 3, 1) + b"keyi")
    assert key == messages.SSLv2ClientMasterKey(0x010080, b"", b"key", b"i")
    for length in range(1, len(body)):
        cut = parse_sslv2(body[:length])
        assert isinstance(cut, messages.SSLv2Message) and cut.reason
    assert parse_sslv2(b"\6secret").name == "server_finished"
    assert parse_sslv2(b"\x63").name == "0x63"


VERSIONS = st.sampled_from([0, 2, SSL3, 0x0301, TLS11, TLS12, TLS13, 0x7F12, 0xFEFF, DTLS12, 0xFEFC, 0xFFFF])


def read_everything(message: messages.Message) -> None:
    assert message.name
    if isinstance(message, Extended):
        accessors(message)
        assert set(message.malformed_extensions) <= {type_ for type_, _ in message.extensions}
    for code in (0x002F, 0x0003, 0xC013, 0xC02F, 0x00AA, 0xC037, 0xC01E, 0x001E):
        if isinstance(message, messages.ServerKeyExchange | messages.ClientKeyExchange):
            assert message.parameters(suite(code), TLS12).__class__


@given(type_=st.integers(0, 255), body=st.binary(max_size=300), version=VERSIONS)
def test_any_bytes(type_, body, version):
    read_everything(parse(type_, body, version))
    read_everything(parse_sslv2(body))


@given(data=st.data(), row=st.sampled_from([(1, 0, HELLO), (13, TLS13, REQUEST13), *(row[:3] for row in OTHERS)]))
def test_any_damage(data, row):
    """Bytes of a good message are overwritten, cut out or doubled."""
    type_, version, body = row
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(start + 8, len(body))))
    read_everything(parse(type_, body[:start] + data.draw(st.binary(max_size=8)) + body[end:], version))


def test_second_opinion_of_scapy():
    """Scapy reads the same hello; it wants a key share that is a key."""
    from scapy.layers.tls.handshake import TLSClientHello

    usual = [pair for pair in CLIENT_EXTENSIONS if pair[0] in (0, 10, 11, 13, 16, 23, 35, 43, 45, 65281)]
    body = client_hello(*usual, (51, v16(u16(29), v16(RANDOM))))
    theirs = TLSClientHello(b"\1" + v24(body))
    ours = parse(1, body)
    assert isinstance(ours, messages.ClientHello)
    assert tuple(theirs.ciphers) == ours.cipher_suites
    assert theirs.sid == ours.session_id
    assert [extension.type for extension in theirs.ext] == [type_ for type_, _ in ours.extensions]
    found = {extension.type: extension for extension in theirs.ext}
    assert found[0].servernames[0].servername.decode() == ours.server_name
    assert tuple(found[10].groups) == ours.supported_groups
    assert tuple(found[13].sig_algs) == ours.signature_algorithms
    assert tuple(found[43].versions) == ours.supported_versions
    assert tuple(share.group for share in found[51].client_shares) == ours.key_share_groups
