"""Every rule fires where it should and stays silent at its near miss, and says what a person can do."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest
from forged_cases import (
    ALICE,
    DHE,
    ECDHE,
    ISSUING,
    LEAF,
    RSA,
    SECOND,
    SERVER,
    START,
    TLS11,
    TLS12,
    TLS12_ANSWER,
    TLS12_ASKING,
    TLS12_DECLINED,
    TLS12_END,
    TLS12_FLIGHT,
    TLS12_MUTUAL,
    TLS13,
    TLS13_ASKING,
    TLS13_DECLINED,
    TLS13_FLIGHT,
    TLS13_MUTUAL,
    attempt,
    case,
    certificate,
    chain,
    client_hello,
    forged,
    passage,
    server_hello,
    u16s,
    vector16,
)
from quictalk import DRAFT_29, INITIAL, V1, V2, Connection, close, negotiation

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.engine import RULES, diagnose, situation
from analyzer.net.passage import Passage
from analyzer.results import HandshakeReport, ProofReport
from analyzer.tls.carrier import Mark
from analyzer.tls.handshake import Datagrams, TooLong
from analyzer.tls.preambles import Preamble

EXPIRED = certificate("service.example.com", not_after="2026-02-01T00:00:00.000000Z")
EARLY = certificate("service.example.com", not_before="2026-12-01T00:00:00.000000Z")
OLD_ALICE = certificate("alice", not_after="2026-02-01T00:00:00.000000Z")
SELF_MADE = certificate("self-made", "CN=self-made")
OLD_ISSUING = certificate("Issuing CA", "CN=Root CA", not_after="2026-02-01T00:00:00.000000Z", ca=True)
STRANGER = certificate("bob", "CN=Other CA")
OTHER_CA = certificate("Other CA", "CN=Other CA", ca=True)

WAS_EXPIRED = ("validity-period", EXPIRED, "in time", "expired on 2026-02-01T00:00:00Z")
ALICE_EXPIRED = ("validity-period", OLD_ALICE, "in time", "expired on 2026-02-01T00:00:00Z")
FAILING_PROOF = ProofReport("server", "server_key_exchange", "fail", "rsa_pss_rsae_sha256", 6, "wrong")
GOOD_PROOF = replace(FAILING_PROOF, status="pass", reason=None)


def refused_server(alert: str = "C>alert:bad_certificate", **changes: object) -> HandshakeReport:
    """The client refuses the server's certificate."""
    return forged(f"{TLS12_FLIGHT} {alert} C>fin", **changes)


def refused_client(alert: str = "S>alert:bad_certificate", **changes: object) -> HandshakeReport:
    """The server refuses the client's certificate."""
    return forged(f"{TLS12_ASKING} {TLS12_MUTUAL} {alert} S>fin", **changes)


def declined(**changes: object) -> HandshakeReport:
    """The client was asked and sent no certificate, and the server refuses."""
    return forged(f"{TLS12_ASKING} {TLS12_DECLINED} S>alert:handshake_failure S>fin", **changes)


def refused_hello(alert: str = "S>alert:handshake_failure", **changes: object) -> HandshakeReport:
    """The server turns down the ClientHello."""
    return forged(f"{alert} S>fin", **changes)


def one_way(**changes: object) -> HandshakeReport:
    return forged(f"{TLS12_FLIGHT} {TLS12_ANSWER} {TLS12_END} C>data:100 S>data:500", **changes)


def mutual(**changes: object) -> HandshakeReport:
    return forged(f"{TLS12_ASKING} {TLS12_MUTUAL} {TLS12_END} C>data:100 S>data:500", **changes)


def resumed(**changes: object) -> HandshakeReport:
    """A session of TLS 1.3 that goes on."""
    psk = client_hello(versions=(TLS13,), extra=[(41, vector16(vector16(b"ticket") + b"\0\0\0\1") + b"\0\0")])
    answer = server_hello(TLS13, 0x1302, extra=[(41, u16s([0]))])
    steps = "S>server_hello S>ccs S>data:23 S>data:69 C>ccs C>data:69 C>data:100 S>data:500"
    return forged(steps, **{"version": TLS13, "hello": psk, "answer": answer, **changes})


def dhe(bits: int) -> bytes:
    prime = b"\xff" * (bits // 8)
    return vector16(prime) + vector16(b"\2") + vector16(prime) + u16s([0x0401]) + vector16(b"s")


def reply(status: str, body: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nServer: test\r\n\r\n{body}".encode()


class Pair(NamedTuple):
    """Handshakes of a capture, the one that is judged first."""

    fires: Callable[[], list[HandshakeReport]]
    silent: Callable[[], list[HandshakeReport]]


def of(*reports: HandshakeReport) -> list[HandshakeReport]:
    return list(reports)


RST = Mark("server", "rst", 2, START)
SYN = Mark("client", "syn", 1, START)
PAIRS: dict[str, Pair] = {
    # TCP, and what is said before TLS
    "connection-refused": Pair(
        lambda: of(attempt(openings=[SYN], closings=[RST])), lambda: of(attempt(closings=[RST], sent=b"GET /"))
    ),
    "connection-unanswered": Pair(
        lambda: of(attempt(openings=[SYN, replace(SYN, frame=2, time=START + SECOND)])), lambda: of(attempt())
    ),
    "packet-too-big": Pair(lambda: of(met("too-long", "unreachable")), lambda: of(met("unreachable"))),
    "unreachable-during-handshake": Pair(lambda: of(met("unreachable")), lambda: of(met("unreachable", answers=False))),
    "plaintext-on-tls-port": Pair(
        lambda: of(attempt(sent=b"GET / HTTP/1.1\r\n", answered=b"HTTP/1.1 400 Bad Request")),
        lambda: of(attempt(sent=b"GET / HTTP/1.1\r\n", answered=b"HTTP/1.1 200 OK", port=8080)),
    ),
    "tls-on-plaintext-port": Pair(
        lambda: of(forged("C>fin", head=b"HTTP/1.1 400 Bad Request\r\n")), lambda: of(forged("S>fin"))
    ),
    "starttls-refused": Pair(
        lambda: of(
            attempt(preambles=[Preamble("smtp", "refused", 9, 9, "The server declined STARTTLS: 454")], refused=True)
        ),
        lambda: of(attempt(preambles=[Preamble("http-connect", "refused", 9, 9, "403", tunnel=True)], refused=True)),
    ),
    "proxy-refused": Pair(
        lambda: of(
            attempt(preambles=[Preamble("http-connect", "refused", 9, 9, "The proxy declined: 403")], refused=True)
        ),
        lambda: of(attempt(preambles=[Preamble("smtp", "refused", 9, 9, "454")], refused=True)),
    ),
    "proxy-protocol-mismatch": Pair(
        lambda: of(forged("S>rst"), one_way(preamble="proxy-protocol", stream=1)),
        lambda: of(forged("S>rst"), one_way(stream=1)),
    ),
    "client-hello-dropped": Pair(
        lambda: of(
            forged("wait:5 C>fin", lengths={"client_hello": 1800}, repeated=[5, 6], repeated_by="client"),
            one_way(stream=1),
        ),
        lambda: of(forged("wait:5 C>fin", lengths={"client_hello": 500}, repeated=[5, 6], repeated_by="client")),
    ),
    "path-mtu-black-hole": Pair(
        lambda: of(forged(f"{TLS12_FLIGHT} wait:9 C>fin", passages={"server": in_vain(0)})),
        lambda: of(forged(f"{TLS12_FLIGHT} wait:9 C>fin", passages={"server": in_vain(4000)})),
    ),
    # Hellos
    "no-common-version": Pair(
        lambda: of(refused_hello("S>alert:protocol_version")), lambda: of(refused_hello("S>alert:decode_error"))
    ),
    "no-common-quic-version": Pair(lambda: of(negotiated(V2, DRAFT_29)), lambda: of(negotiated(V1, V2))),
    "quic-connection-closed": Pair(lambda: of(closed(0x0B)), lambda: of(closed(0x100 + 40))),
    "no-common-cipher-suite": Pair(
        lambda: of(refused_hello(hello=client_hello(suites=[0xC02C]))),
        lambda: of(refused_hello("S>alert:protocol_version", hello=client_hello(suites=[0xC02C]))),
    ),
    "no-common-group": Pair(
        lambda: of(refused_hello(hello=client_hello(versions=[TLS13], suites=[0x1301, 0x1302], groups=[0x001D]))),
        lambda: of(refused_hello(hello=client_hello(versions=[TLS13], suites=[0x1301, 0x1302]))),
    ),
    "no-common-signature-scheme": Pair(
        lambda: of(refused_hello(hello=client_hello(versions=[TLS13], suites=[0x1301], schemes=[0x0806]))),
        lambda: of(refused_hello(hello=client_hello(versions=[TLS13], suites=[0x1301, 0x1302]))),
    ),
    "no-common-alpn": Pair(
        lambda: of(refused_hello("S>alert:no_application_protocol", hello=client_hello(alpn=["mqtt"]))),
        lambda: of(refused_hello(hello=client_hello(alpn=["mqtt"]))),
    ),
    "server-name-unrecognized": Pair(
        lambda: of(refused_hello("S>alert:unrecognized_name")), lambda: of(refused_hello("S>alert:handshake_failure"))
    ),
    "secure-renegotiation-missing": Pair(
        lambda: of(
            forged(
                "S>server_hello S>certificate C>alert:handshake_failure C>fin",
                hello=client_hello(suites=[ECDHE, 0x00FF]),
                answer=server_hello(TLS12, ECDHE, extra=[]),
            )
        ),
        lambda: of(
            forged(
                "S>server_hello S>certificate C>alert:handshake_failure C>fin",
                hello=client_hello(suites=[ECDHE, 0x00FF]),
            )
        ),
    ),
    "weak-parameters-refused": Pair(
        lambda: of(refused_server("C>alert:handshake_failure", suite=DHE, parameters=dhe(1024))),
        lambda: of(refused_server("C>alert:handshake_failure", suite=DHE, parameters=dhe(2048))),
    ),
    # The server's certificate
    "server-chain-incomplete": Pair(
        lambda: of(refused_server("C>alert:unknown_ca", server=[LEAF], server_chain=chain(anchor=None))),
        lambda: of(refused_server("C>alert:unknown_ca", server=[LEAF, ISSUING], server_chain=chain(anchor=None))),
    ),
    "server-issuer-unknown": Pair(
        lambda: of(refused_server("C>alert:unknown_ca", server_chain=chain(anchor=None))),
        lambda: of(refused_server("C>alert:certificate_expired", server_chain=chain(WAS_EXPIRED), server=[EXPIRED])),
    ),
    "server-certificate-self-signed": Pair(
        lambda: of(refused_server("C>alert:unknown_ca", server=[SELF_MADE], server_chain=chain(anchor=None))),
        lambda: of(refused_server("C>alert:unknown_ca", server=[SELF_MADE], server_chain=chain(anchor="CN=self-made"))),
    ),
    "server-certificate-expired": Pair(
        lambda: of(refused_server("C>alert:certificate_expired", server=[EXPIRED], server_chain=chain(WAS_EXPIRED))),
        lambda: of(refused_server("C>alert:unknown_ca")),
    ),
    "server-certificate-not-yet-valid": Pair(
        lambda: of(
            refused_server(
                server=[EARLY], server_chain=chain(("validity-period", EARLY, "", "not valid before 2026-12"))
            )
        ),
        lambda: of(refused_server(server=[EXPIRED], server_chain=chain(WAS_EXPIRED))),
    ),
    "server-intermediate-expired": Pair(
        lambda: of(
            refused_server(
                server=[LEAF, OLD_ISSUING], server_chain=chain(("validity-period", OLD_ISSUING, "", "expired on 2026"))
            )
        ),
        lambda: of(refused_server(server=[EXPIRED, ISSUING], server_chain=chain(WAS_EXPIRED))),
    ),
    "server-name-mismatch": Pair(
        lambda: of(refused_server(server_chain=chain(("name-match", LEAF, "shop.example.com", "DNS:…")))),
        lambda: of(refused_server()),
    ),
    "server-certificate-wrong-usage": Pair(
        lambda: of(refused_server(server_chain=chain(("extended-key-usage", LEAF, "serverAuth", "clientAuth")))),
        lambda: of(refused_server(server_chain=chain(("key-usage", ISSUING, "keyCertSign", "none")))),
    ),
    "server-issuer-not-a-ca": Pair(
        lambda: of(refused_server(server_chain=chain(("basic-constraints", ISSUING, "CA:TRUE", "CA:FALSE")))),
        lambda: of(refused_server(server_chain=chain(("key-usage", LEAF, "digitalSignature", "none")))),
    ),
    "server-certificate-revoked": Pair(
        lambda: of(refused_server("C>alert:certificate_revoked")), lambda: of(refused_server("C>alert:unknown_ca"))
    ),
    "server-signature-invalid": Pair(
        lambda: of(refused_server("C>alert:decrypt_error", proofs=[FAILING_PROOF])),
        lambda: of(refused_server("C>alert:decrypt_error", proofs=[GOOD_PROOF])),
    ),
    "server-certificate-weak-key": Pair(
        lambda: of(refused_server(server_chain=chain(("weak-key", LEAF, "at least 2048 bits", "RSA 1024")))),
        lambda: of(one_way(server_chain=chain(("weak-key", LEAF, "at least 2048 bits", "RSA 1024")))),
    ),
    "server-certificate-refused": Pair(
        lambda: of(forged(f"{TLS13_FLIGHT} C>ccs C>data:19 C>fin", version=TLS13)),
        lambda: of(forged(f"{TLS13_FLIGHT} C>fin", version=TLS13)),
    ),
    "tls-inspection": Pair(
        lambda: of(one_way(server=[certificate("service.example.com", "CN=Zscaler Intermediate Root CA")])),
        lambda: of(one_way()),
    ),
    # The client's certificate
    "client-certificate-missing": Pair(
        declined_alone := lambda: of(declined()),
        lambda: of(forged(f"{TLS12_ASKING} {TLS12_DECLINED} C>rst")),
    ),
    "client-certificate-filtered-by-authorities": Pair(
        lambda: of(declined(authorities=["Other CA"]), mutual(stream=1, server_ip="198.51.100.8")),
        lambda: of(declined(authorities=["Issuing CA"]), mutual(stream=1, server_ip="198.51.100.8")),
    ),
    "client-key-unacceptable": Pair(
        lambda: of(
            declined(schemes=[0x0403], types=[64]),
            mutual(stream=1, server_ip="198.51.100.8", client=[certificate("alice", key="RSA 2048")]),
        ),
        declined_alone,
    ),
    "client-certificate-refused": Pair(
        lambda: of(forged(f"{TLS13_ASKING} {TLS13_MUTUAL} S>data:19 S>fin", version=TLS13)),
        lambda: of(forged(f"{TLS13_ASKING} {TLS13_DECLINED} S>data:19 S>fin", version=TLS13)),
    ),
    "client-issuer-unknown": Pair(
        lambda: of(refused_client("S>alert:unknown_ca", client=[STRANGER, OTHER_CA], client_chain=chain(anchor=None))),
        lambda: of(refused_client("S>alert:certificate_revoked", client_chain=chain(anchor="CN=Root CA"))),
    ),
    "client-certificate-self-signed": Pair(
        lambda: of(refused_client("S>alert:unknown_ca", client=[SELF_MADE], client_chain=chain(anchor=None))),
        lambda: of(refused_client("S>alert:unknown_ca", client=[ALICE], client_chain=chain(anchor=None))),
    ),
    "client-chain-incomplete": Pair(
        lambda: of(
            refused_client(
                "S>alert:unknown_ca", client=[ALICE], client_chain=chain(anchor=None), authorities=["Root CA"]
            )
        ),
        lambda: of(
            refused_client(
                "S>alert:unknown_ca", client=[ALICE], client_chain=chain(anchor=None), authorities=["Issuing CA"]
            )
        ),
    ),
    "client-certificate-expired": Pair(
        lambda: of(
            refused_client("S>alert:certificate_expired", client=[OLD_ALICE], client_chain=chain(ALICE_EXPIRED))
        ),
        lambda: of(refused_client("S>alert:certificate_expired")),
    ),
    "client-certificate-not-yet-valid": Pair(
        lambda: of(
            refused_client(
                client=[EARLY], client_chain=chain(("validity-period", EARLY, "", "not valid before 2026-12"))
            )
        ),
        lambda: of(refused_client(client=[OLD_ALICE], client_chain=chain(ALICE_EXPIRED))),
    ),
    "client-intermediate-expired": Pair(
        lambda: of(
            refused_client(
                client=[ALICE, OLD_ISSUING], client_chain=chain(("validity-period", OLD_ISSUING, "", "expired on 2026"))
            )
        ),
        lambda: of(refused_client(client=[OLD_ALICE], client_chain=chain(ALICE_EXPIRED))),
    ),
    "client-certificate-wrong-usage": Pair(
        lambda: of(
            refused_client(
                "S>alert:unsupported_certificate",
                client_chain=chain(("extended-key-usage", ALICE, "clientAuth", "serverAuth")),
            )
        ),
        lambda: of(mutual(client_chain=chain(("extended-key-usage", ALICE, "clientAuth", "serverAuth")))),
    ),
    "client-issuer-not-a-ca": Pair(
        lambda: of(refused_client(client_chain=chain(("basic-constraints", ISSUING, "CA:TRUE", "CA:FALSE")))),
        lambda: of(refused_client()),
    ),
    "client-certificate-revoked": Pair(
        lambda: of(refused_client(client_chain=chain(("revocation-list", ALICE, "", "revoked on 2026-03-01")))),
        lambda: of(refused_client(client_chain=chain(("revocation-list", ALICE, "", "out of date")))),
    ),
    "server-crl-stale": Pair(
        lambda: of(refused_client("S>alert:certificate_expired")),
        lambda: of(
            refused_client("S>alert:certificate_expired", client=[OLD_ALICE], client_chain=chain(ALICE_EXPIRED))
        ),
    ),
    "client-signature-invalid": Pair(
        lambda: of(
            refused_client(
                "S>alert:decrypt_error",
                proofs=[ProofReport("client", "certificate_verify", "fail", "ecdsa_secp256r1_sha256", 9, "wrong")],
            )
        ),
        lambda: of(
            refused_client(
                "S>alert:decrypt_error",
                proofs=[ProofReport("client", "certificate_verify", "pass", "ecdsa_secp256r1_sha256", 9, None)],
            )
        ),
    ),
    "client-certificate-weak-key": Pair(
        lambda: of(refused_client(client_chain=chain(("weak-signature", ALICE, "SHA-2", "sha1WithRSAEncryption")))),
        lambda: of(mutual(client_chain=chain(("weak-signature", ALICE, "SHA-2", "sha1WithRSAEncryption")))),
    ),
    "authorities-list-too-large": Pair(
        lambda: of(forged("S>server_hello S>certificate S>server_key_exchange S>alert:internal_error S>fin")),
        lambda: of(forged("S>server_hello S>certificate S>alert:internal_error S>fin")),
    ),
    "client-authentication-deferred": Pair(
        lambda: of(one_way_then("S>hello_request wait:1 C>fin")), lambda: of(one_way_then("wait:1 C>fin"))
    ),
    # The application, sessions, legs
    "client-certificate-never-requested": Pair(
        lambda: of(one_way(plaintext=reply("403 Forbidden", "a client certificate is required"))),
        lambda: of(one_way(plaintext=reply("200 OK", "certificate"))),
    ),
    "client-certificate-refused-by-application": Pair(
        lambda: of(
            forged(
                f"{TLS12_ASKING} {TLS12_DECLINED} {TLS12_END} C>data:100 S>data:400 S>fin",
                plaintext=reply("400 Bad Request", "No required SSL certificate was sent"),
            )
        ),
        lambda: of(
            forged(
                f"{TLS12_ASKING} {TLS12_DECLINED} {TLS12_END} C>data:100 S>data:400 S>fin",
                plaintext=reply("404 Not Found"),
            )
        ),
    ),
    "identity-refused-after-handshake": Pair(
        lambda: of(mutual(plaintext=reply("403 Forbidden", "unknown user"))),
        lambda: of(mutual(plaintext=reply("200 OK"))),
    ),
    "identity-inherited-by-resumption": Pair(
        lambda: of(resumed(stream=1, resumes=0, start=START + SECOND), mutual()),
        lambda: of(resumed(stream=1, resumes=0, start=START + SECOND), one_way()),
    ),
    "fault-on-another-leg": Pair(
        lambda: of(one_way(), declined(stream=1, client_ip=SERVER, server_ip="198.51.100.9", start=START + SECOND)),
        lambda: of(
            one_way(), declined(stream=1, client_ip=SERVER, server_ip="198.51.100.9", start=START - 60 * SECOND)
        ),
    ),
    # How it ended
    "alert-lost-to-reset": Pair(
        lambda: of(forged(f"{TLS12_ASKING} {TLS12_MUTUAL} S>alert:unknown_ca S>fin S>rst")),
        lambda: of(forged(f"{TLS12_ASKING} {TLS12_MUTUAL} S>alert:unknown_ca S>fin C>rst")),
    ),
    "handshake-timeout": Pair(
        lambda: of(forged(f"{TLS12_ASKING} wait:30 S>fin")), lambda: of(forged(f"{TLS12_ASKING} wait:0.2 S>fin"))
    ),
    "handshake-refused": Pair(lambda: of(refused_hello("S>alert:decode_error")), lambda: of(forged("S>fin"))),
    "reset-during-handshake": Pair(lambda: of(forged("S>rst")), lambda: of(forged("S>fin"))),
    "closed-without-alert": Pair(lambda: of(forged("S>fin")), lambda: of(forged("S>rst"))),
    "capture-incomplete": Pair(
        lambda: of(forged("S>server_hello", holes=[("server", "not-captured")])),
        lambda: of(forged("S>fin")),
    ),
    # Remarkable though it succeeded, and what the capture knows beside
    "deprecated-version": Pair(lambda: of(one_way(version=TLS11)), lambda: of(one_way())),
    "weak-cipher-suite": Pair(lambda: of(one_way(suite=0x000A)), lambda: of(one_way(suite=0x002F))),
    "no-forward-secrecy": Pair(lambda: of(one_way(suite=RSA)), lambda: of(one_way(suite=0xC018))),
    "certificate-expires-soon": Pair(
        lambda: of(one_way(server_chain=chain(("expires-soon", LEAF, "30 days left", "expires on 2026-12-01")))),
        lambda: of(one_way()),
    ),
    "client-authentication-eku-sunset": Pair(lambda: of(public_client()), lambda: of(mutual())),
    "retransmissions-delay-handshake": Pair(
        lambda: of(slow(0.4, passages={"client": passage((8, 0, 300, 0.1), (9, 0, 300, 0.35))})),
        lambda: of(slow(0.4, passages={"client": passage((8, 0, 300, 0.1), (9, 0, 300, 0.1001))})),
    ),
    "slow-handshake": Pair(
        lambda: of(slow(2)),
        lambda: of(slow(2, passages={"client": passage((8, 0, 300, 0.1), (9, 0, 300, 1.9))})),
    ),
    "client-succeeds-elsewhere": Pair(
        lambda: of(declined(), mutual(stream=1, server_ip="198.51.100.8")),
        lambda: of(declined(), mutual(stream=1, server_ip="198.51.100.8", client_ip="192.0.2.77")),
    ),
    "all-clients-fail-since": Pair(lambda: outage(established=1), lambda: outage(established=0)),
}


def in_vain(received: int) -> Passage:
    """A flight of 4000 bytes whose first segment is sent again three times."""
    again = [(frame, 0, 1448, at) for frame, at in ((6, 0.3), (7, 0.7), (8, 1.5))]
    return passage((5, 0, 4000, 0.01), *again, received=received)


def slow(seconds: float, **changes: object) -> HandshakeReport:
    """The client's answer comes so late."""
    return forged(f"{TLS12_FLIGHT} wait:{seconds} {TLS12_ANSWER} {TLS12_END}", **changes)


def one_way_then(steps: str) -> HandshakeReport:
    return forged(f"{TLS12_FLIGHT} {TLS12_ANSWER} {TLS12_END} C>data:100 S>data:500 {steps}")


def outage(established: int) -> list[HandshakeReport]:
    """Three clients fail; so many succeeded before."""
    failed = [
        refused_client("S>alert:certificate_expired", stream=n, client_ip=f"192.0.2.{n}", start=START + n * SECOND)
        for n in range(1, 4)
    ]
    return [*failed, *(mutual(stream=10 + n, start=START - SECOND) for n in range(established))]


def public_client() -> HandshakeReport:
    """A client with a certificate of a public authority, for servers and clients."""
    report = mutual()
    der = dual_purpose_certificate()
    sent = next(one for one in report.facts.sent if one.name == "certificate" and one.sender == "client")
    sent.message = replace(sent.message, entries=(replace(sent.message.entries[0], data=der),))
    return report


def dual_purpose_certificate() -> bytes:
    """A certificate with both purposes and an embedded timestamp."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.derive_private_key(7, ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "alice")])
    timestamp = bytes(1) + bytes(32) + bytes(8) + b"\0\0" + b"\4\3" + vector16(b"s")
    timestamps = vector16(vector16(timestamp))
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    begin = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(begin).not_valid_after(begin.replace(year=2027))
    builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    embedded = x509.UnrecognizedExtension(
        x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2"), b"\x04" + bytes([len(timestamps)]) + timestamps
    )
    return builder.add_extension(embedded, critical=False).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def negotiated(*versions: int) -> HandshakeReport:
    """A client of QUIC version 1, and a server that lists others."""
    made = Connection().hello()
    return made.send("server", negotiation(made, *versions)).report()


def closed(code: int) -> HandshakeReport:
    """A server of QUIC closes the connection in answer to the hello."""
    made = Connection().hello()
    return made.send("server", made.packet("server", INITIAL, close(code, reason=b"no"), pad=1200)).report()


def met(*errors: str, answers: bool = True) -> HandshakeReport:
    """A client of DTLS whose packets, the last behind the server's flight, meet with these errors of ICMP."""
    flight = TLS12_FLIGHT if answers else "wait:1"
    report = forged(f"{flight} wait:1 C>client_key_exchange", transport="udp", opened=False)
    assert report.facts is not None
    below = report.facts.datagrams = Datagrams()
    below.last_frame = report.facts.sent[-1].frame + len(errors)
    if "too-long" in errors:
        below.too_long = TooLong("client", below.last_frame - 1, 1400)
    if "unreachable" in errors:
        below.refused = ("client", below.last_frame)
    report.outcome = "failed"
    return report


def judged(code: str, reports: list[HandshakeReport]) -> object:
    """What the rule itself says of the first handshake."""
    rule = RULES.load(code)
    made: Case = case(*reports)
    if situation(reports[0]) not in rule.WHEN:
        return None
    if made.established and not rule.applies(reports[0], made.around):
        return None
    return rule.judge(made)


def test_every_rule_has_a_case_in_which_it_fires_and_a_near_miss() -> None:
    assert sorted(PAIRS) == RULES.names()


@pytest.mark.parametrize("code", PAIRS)
def test_it_fires(code: str) -> None:
    reports = PAIRS[code].fires()
    assert judged(code, reports) is not None
    diagnose(reports, assumed_trust=False)
    finding = next((one for one in reports[0].findings if one.code == code), None)
    if finding is None:  # another finding says more of the same
        assert reports[0].root_cause not in (None, code)
        return
    assert finding.summary[-1] in ".)"
    assert finding.stage
    assert finding.evidence


@pytest.mark.parametrize("code", PAIRS)
def test_it_stays_silent(code: str) -> None:
    reports = PAIRS[code].silent()
    assert judged(code, reports) is None


@pytest.mark.parametrize("code", PAIRS)
def test_remedy_says_who_does_what_and_how_to_confirm_it(code: str) -> None:
    judgment = judged(code, PAIRS[code].fires())
    parts = judgment.remedy.split("To confirm: ")
    assert len(parts) == 2
    assert any(f"{owner}'s owner: " in parts[0] for owner in ("Client", "Server", "Network"))
    assert "`" in parts[1], "a command or a display filter"


PSK_ALONE = replace(
    (ANSWER := server_hello(TLS13, 0x1302, extra=[(41, u16s([0]))])),
    extensions=tuple(one for one in ANSWER.extensions if one.type != 51),
)
"""A ServerHello that takes a pre-shared key without a key exchange (psk_ke)."""


@pytest.mark.parametrize(
    ("report", "opens", "advice"),
    [
        (one_way(suite=RSA), "the server's key opens recordings", "switch RSA key exchange off"),
        (one_way(suite=0xC004), "the server's key opens recordings", "switch static ECDH key exchange off"),
        (one_way(suite=0x00A8), "it rests on a shared key, and that key opens", "switch those with a bare PSK off"),
        (one_way(suite=0x00AC), "the server's key and the shared key together open", "prefer ECDHE_PSK suites"),
        (resumed(answer=PSK_ALONE), "a pre-shared key alone (psk_ke)", "psk_dhe_ke only"),
    ],
)
def test_what_opens_recordings_depends_on_the_kind_of_key_exchange(
    report: HandshakeReport, opens: str, advice: str
) -> None:
    judgment = judged("no-forward-secrecy", [report])
    assert opens in judgment.summary
    assert advice in judgment.remedy
    assert ("RSA key exchange" in judgment.remedy) == (advice == "switch RSA key exchange off")


def test_a_pre_shared_key_with_a_key_share_keeps_recordings_shut() -> None:
    assert judged("no-forward-secrecy", [resumed()]) is None


@pytest.mark.parametrize("code", RULES.names())
def test_manual_has_all_its_parts(code: str) -> None:
    manual = RULES.documentation(code)
    first, *paragraphs = manual.split("\n\n")
    assert first.endswith(".")
    heads = [paragraph.partition(":")[0] for paragraph in paragraphs]
    assert heads[:2] == ["What it means", "On the wire"]
    assert heads[-1] == "References"
    assert set(heads[2:-1]) & {"Client's owner", "Server's owner", "Network's owner"}
    assert set(heads[2:-1]) <= {"Client's owner", "Server's owner", "Network's owner"}


@pytest.mark.parametrize("code", RULES.names())
def test_metadata_is_in_the_house_s_words(code: str) -> None:
    rule = RULES.load(code)
    assert rule.SEVERITY in ("error", "warning", "notice")
    assert rule.SPECIFICITY in range(4)
    assert set(rule.WHEN) <= {"attempt", "failed", "incomplete", "established"}
    assert ("established" in rule.WHEN) == hasattr(rule, "applies")


def sureness(report: HandshakeReport) -> tuple[str, str]:
    judgment = judged("slow-handshake", [report])
    assert judgment is not None
    return judgment.confidence, judgment.summary.partition("that ")[2]


def far(report: HandshakeReport) -> HandshakeReport:
    """A capture far from both: TCP's own handshake took 50 ms either way."""
    asked, answered = report.carrier.openings
    late = replace(answered, time=asked.time + SECOND // 20)
    report.carrier = replace(report.carrier, openings=(asked, late))
    return report


def test_who_let_the_time_pass_is_certain_only_beside_it() -> None:
    late_server = "C>ccs wait:2 S>server_hello S>certificate S>server_hello_done " + f"{TLS12_ANSWER} {TLS12_END}"
    assert sureness(forged(late_server)) == ("certain", "the server let pass before server_hello.")
    arrived = "passed before server_hello of the server arrived where the capture was made."
    assert sureness(far(forged(late_server))) == ("likely", arrived)
    client = passage((4, 0, 250, 0.0005))
    assert sureness(slow(2, passages={"client": client})) == (
        "certain",
        "the client let pass before client_key_exchange.",
    )
    assert sureness(slow(2))[0] == "likely"


def test_where_packets_were_lost_a_late_message_may_have_been_lost() -> None:
    stalled = passage((4, 0, 250, 0.1), (5, 0, 250, 0.35))
    assert sureness(slow(2, passages={"client": stalled}))[0] == "possible"
    again = slow(2)
    syn, answer = again.carrier.openings
    again.carrier = replace(again.carrier, openings=(replace(syn, time=START - SECOND), syn, answer))
    assert sureness(again)[0] == "possible"


def test_a_message_that_had_begun_to_arrive_may_have_been_lost() -> None:
    report = slow(2)
    late = report.facts.first("client_key_exchange")
    late.first_frame = late.frame - 1
    assert sureness(report)[0] == "possible"


def test_time_for_which_tcp_waited_is_nobodys() -> None:
    """One stall covers most of the gap; many covers of the same time count once."""
    once = passage((8, 0, 300, 0.2), (9, 0, 300, 1.8))
    assert judged("slow-handshake", [slow(2, passages={"client": once})]) is None
    filled = passage((8, 300, 300, 0.2), (9, 0, 300, 1.8))
    assert judged("slow-handshake", [slow(2, passages={"client": filled})]) is None
    short = passage((8, 0, 300, 0.2), (9, 0, 300, 0.6), (10, 0, 300, 0.7))
    judgment = judged("slow-handshake", [slow(2, passages={"client": short})])
    assert "1.50 s of that passed" in judgment.summary


def test_a_filled_hole_delays_a_handshake_like_a_retransmission() -> None:
    filled = passage((8, 300, 300, 0.1), (9, 0, 300, 0.35))
    judgment = judged("retransmissions-delay-handshake", [slow(0.4, passages={"server": filled})])
    assert judgment.summary.endswith("1 of its packets had to be sent again, for which the rest waited 0.25 s.")
    reordered = passage((8, 300, 300, 0.1), (9, 0, 300, 0.101))
    assert judged("retransmissions-delay-handshake", [slow(0.4, passages={"server": reordered})]) is None
