"""Forges handshakes for the tests of the diagnosis: what was said, in a word a step, and what is known beside it."""

from collections.abc import Sequence
from typing import Any

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.surroundings import Surroundings, sighting
from analyzer.net.passage import Passage
from analyzer.net.rows import ACK, Rows
from analyzer.net.stream import ByteStream
from analyzer.results import (
    CertificateReport,
    ChainReport,
    CheckReport,
    Closing,
    Endpoint,
    HandshakeReference,
    HandshakeReport,
    MessageReport,
    ProofReport,
)
from analyzer.tls import authentication, inference, messages, outcome, registry, resumption
from analyzer.tls.carrier import Carrier, Mark
from analyzer.tls.extensions import Extension
from analyzer.tls.handshake import Alert, Handshake, Parting, Sent
from analyzer.tls.hello import HELLO_RETRY_REQUEST, ClientHello, ServerHello
from analyzer.tls.preambles import Preamble
from analyzer.tls.record import Hole

START = 1_795_443_901_000_000_000
"""2026-11-23 14:25:01 UTC."""
SECOND = 10**9
CLIENT, SERVER = "192.0.2.10", "198.51.100.7"
TLS11, TLS12, TLS13 = 0x0302, 0x0303, 0x0304
ECDHE, DHE, RSA, TLS13_SUITE = 0xC02F, 0x009E, 0x009C, 0x1302

ALERTS = {registry.alert_description(code): code for code in range(256)}

TLS12_FLIGHT = "S>server_hello S>certificate S>server_key_exchange S>server_hello_done"
TLS12_ASKING = "S>server_hello S>certificate S>server_key_exchange S>certificate_request S>server_hello_done"
TLS12_ANSWER = "C>client_key_exchange C>ccs C>finished"
TLS12_MUTUAL = "C>certificate C>client_key_exchange C>certificate_verify C>ccs C>finished"
TLS12_DECLINED = "C>certificate:empty C>client_key_exchange C>ccs C>finished"
TLS12_END = "S>ccs S>finished"
TLS13_FLIGHT = "S>server_hello S>ccs S>data:23 S>data:1731 S>data:281 S>data:69"
TLS13_ASKING = "S>server_hello S>ccs S>data:23 S>data:108 S>data:1731 S>data:281 S>data:69"
TLS13_MUTUAL = "C>ccs C>data:1708 C>data:281 C>data:69"
TLS13_DECLINED = "C>ccs C>data:25 C>data:69"
TLS13_ANSWER = "C>ccs C>data:69"


def u16s(codes: Sequence[int]) -> bytes:
    return b"".join(code.to_bytes(2) for code in codes)


def vector16(data: bytes) -> bytes:
    return len(data).to_bytes(2) + data


def client_hello(
    *,
    versions: Sequence[int] = (TLS12,),
    suites: Sequence[int] = (0x1301, 0x1302, ECDHE, 0xC02B, 0xC030, RSA),
    groups: Sequence[int] = (0x001D, 0x0017),
    shares: Sequence[int] = (),
    schemes: Sequence[int] = (0x0403, 0x0804, 0x0401),
    alpn: Sequence[str] = (),
    extra: Sequence[tuple[int, bytes]] = (),
) -> ClientHello:
    """A hello that offers what everybody does, but for what is named."""
    extensions = [Extension(10, vector16(u16s(groups))), Extension(13, vector16(u16s(schemes)))]
    if max(versions) >= TLS13:
        extensions.append(Extension(43, bytes([2 * len(versions)]) + u16s(versions)))
    if shares:
        entries = b"".join(share.to_bytes(2) + vector16(bytes(32)) for share in shares)
        extensions.append(Extension(51, vector16(entries)))
    if alpn:
        extensions.append(Extension(16, vector16(b"".join(bytes([len(name)]) + name.encode() for name in alpn))))
    extensions += [Extension(*one) for one in extra]
    return ClientHello(min(max(versions), TLS12), bytes(32), b"", tuple(suites), b"\0", tuple(extensions))


def server_hello(
    version: int, suite: int, *, retry: bool = False, extra: Sequence[tuple[int, bytes]] = ((0xFF01, b"\0"),)
) -> ServerHello:
    extensions = [Extension(*one) for one in extra]
    if version == TLS13:
        extensions = [Extension(43, u16s([TLS13]))]
        extensions.append(Extension(51, u16s([0x001D]) if retry else u16s([0x001D]) + vector16(bytes(32))))
        extensions += [Extension(*one) for one in extra if one[0] == 41]
    random = HELLO_RETRY_REQUEST if retry else bytes(31) + b"S"
    return ServerHello(min(version, TLS12), random, b"", suite, 0, tuple(extensions))


def name(common_name: str) -> bytes:
    """DER of a name with one CN."""
    value = b"\x0c" + bytes([len(common_name)]) + common_name.encode()
    attribute = b"\x06\x03\x55\x04\x03" + value
    rdn = b"\x30" + bytes([len(attribute)]) + attribute
    relative = b"\x31" + bytes([len(rdn)]) + rdn
    return b"\x30" + bytes([len(relative)]) + relative


def certificate(
    subject: str,
    issuer: str = "CN=Issuing CA",
    *,
    not_before: str = "2026-01-01T00:00:00.000000Z",
    not_after: str = "2027-01-01T00:00:00.000000Z",
    san: Sequence[str] = ("DNS:service.example.com",),
    key: str = "EC secp256r1",
    ca: bool = False,
) -> CertificateReport:
    return CertificateReport(
        f"CN={subject}", issuer, "0A", not_before, not_after, list(san), key, "ecdsa-with-SHA256",
        f"{subject}{issuer}{not_after}".encode().hex().ljust(64, "0")[:64], issuer == f"CN={subject}", ca,
    )  # fmt: skip


LEAF = certificate("service.example.com")
ISSUING = certificate("Issuing CA", "CN=Root CA", ca=True)
ALICE = certificate("alice", san=())


def chain(
    *fails: tuple[str, CertificateReport | None, str, str], anchor: str | None = "CN=Root CA", known: bool = True
) -> ChainReport:
    """A chain that fails these checks: name, the certificate, what was expected and got."""
    checks = [
        CheckReport(check, "fail", one.sha256 if one else None, expected, got, None)
        for check, one, expected, got in fails
    ]
    if anchor is None and not any(check.check in ("issuer-known", "self-signed") for check in checks):
        checks.append(CheckReport("issuer-known", "fail" if known else "undetermined", None, "an anchor", "none", None))
    return ChainReport("fail" if fails or anchor is None else "pass", anchor, checks)


def forged(
    steps: str = "",
    *,
    version: int = TLS12,
    suite: int | None = None,
    hello: ClientHello | None = None,
    answer: ServerHello | None = None,
    authorities: Sequence[str] = (),
    schemes: Sequence[int] = (0x0403, 0x0804, 0x0401),
    types: Sequence[int] = (1, 64),
    parameters: bytes = b"",
    lengths: dict[str, int] | None = None,
    server: Sequence[CertificateReport] = (LEAF, ISSUING),
    client: Sequence[CertificateReport] = (ALICE, ISSUING),
    server_chain: ChainReport | None = None,
    client_chain: ChainReport | None = None,
    proofs: Sequence[ProofReport] = (),
    server_name: str | None = "service.example.com",
    port: int = 443,
    client_ip: str = CLIENT,
    server_ip: str = SERVER,
    stream: int = 0,
    index: int = 0,
    start: int = START,
    opened: bool = True,
    decrypted: bool = False,
    plaintext: bytes = b"",
    head: bytes = b"",
    preamble: str | None = None,
    resumes: int | None = None,
    holes: Sequence[tuple[str, str]] = (),
    repeated: Sequence[int] = (),
    repeated_by: str = "server",
    passages: dict[str, Passage] | None = None,
    frame: int = 4,
    **changes: Any,
) -> HandshakeReport:
    """A report of a handshake in which this was said.

    A step is `C>` or `S>` and a message, `alert:NAME` (`alert:encrypted`), `ccs`, `data:LENGTH`, `encrypted:LENGTH`,
    `fin` or `rst`; `wait:SECONDS` lets time pass. Steps behind the ClientHello, which `-hello` leaves out. Verdicts
    are the engine's own.
    """
    offered = hello or client_hello(versions=(TLS13, TLS12) if version == TLS13 else (version,))
    facts = Handshake(index, 0, frame, start)
    time, closings = start, list[Mark]()
    words = steps.split()
    if "-hello" in words:
        words.remove("-hello")
    else:
        words.insert(0, "C>client_hello")
    for word in words:
        kind, _, what = word.partition(">")
        if not what:
            time += int(float(word.partition(":")[2]) * SECOND)
            continue
        sender = "client" if kind == "C" else "server"
        time += 1_000_000
        step, _, detail = what.partition(":")
        if step in ("fin", "rst"):
            closings.append(Mark(sender, step, frame, time))
            facts.closings.append(Parting(sender, step, frame, time))
        elif step == "alert":
            warning, _, alert = detail.rpartition("/")
            known = None if alert == "encrypted" else ALERTS[alert]
            level = None if known is None else 1 if warning else 2
            shown = "encrypted" if known is None else "decrypted" if decrypted else "cleartext"
            facts.alerts.append(Alert(sender, frame, time, level, known, shown))
            facts.sent.append(Sent(sender, "alert", frame, time, 2, shown))
        else:
            message = _message(
                step, sender, detail, version, offered, answer, suite, authorities, schemes, types, parameters
            )
            length = int(detail) if detail.isdigit() else (lengths or {}).get(step, 300)
            shown = "decrypted" if decrypted and message is not None and step != "server_hello" else "cleartext"
            sent = Sent(sender, _NAMES.get(step, step), frame, time, length, shown, message)
            if message is None and step != "ccs":
                sent.protection = "encrypted"
            facts.take(sent)
            if step == "data":
                facts.application_data[sender] += 1
        frame += 1
    facts.holes += [(who, Hole(1, frame, reason)) for who, reason in holes]
    if plaintext:
        facts.plaintext["server"] = plaintext
    sizes = inference.infer(facts) if facts.is_tls13 and facts.server_hello else None
    resumed = resumption.resumption(facts)
    verdict = authentication.judge(facts, sizes) if resumed is None else authentication.inherit(resumed, None)
    end = outcome.judge(facts, sizes)
    certificates = {"server": [], "client": []}
    if facts.first("certificate", "server"):
        certificates["server"] = list(server)
    if verdict.presented and facts.first("certificate", "client"):
        certificates["client"] = list(client)
    known = {
        "capture": "a.pcap",
        "stream": stream,
        "handshake": index,
        "display_filter": f"tcp.stream eq {stream}",
        "first_frame": facts.first_frame,
        "last_frame": frame,
        "start": start,
        "duration": (end.finished.time - start) / SECOND if end.finished else None,
        "client": Endpoint(client_ip, 50000 + stream),
        "server": Endpoint(server_ip, port),
        "server_name": server_name,
        "preamble": preamble,
        "version": registry.version(facts.version) if facts.server_hello and facts.version else None,
        "cipher_suite": registry.cipher_suite(facts.server_hello.cipher_suite) if facts.server_hello else None,
        "outcome": end.outcome,
        "outcome_basis": end.basis,
        "authentication": verdict.authentication,
        "authentication_basis": verdict.basis,
        "client_certificate_requested": verdict.requested,
        "client_certificate_presented": verdict.presented,
        "resumption": resumed.how if resumed else None,
        "resumes": HandshakeReference(resumes, 0) if resumes is not None else None,
        "proofs": list(proofs),
        "messages": [
            MessageReport(one.frame, (one.time - start) / SECOND, one.sender, one.name, one.length, one.protection)
            for one in facts.sent
        ],
        "closed_by": Closing(closings[0].sender, closings[0].kind, closings[0].frame) if closings else None,
        "certificates": certificates,
        "chain": {
            "server": (server_chain or chain()) if certificates["server"] else None,
            "client": (client_chain or chain()) if certificates["client"] else None,
        },
        "facts": facts,
        "carrier": carrier(opened, closings, head, time, passages or {}, repeated={repeated_by: tuple(repeated)}),
    }
    return HandshakeReport(**{**known, **changes})


_NAMES = {"data": "application_data", "encrypted": "encrypted_handshake", "ccs": "change_cipher_spec"}


def _message(
    step: str,
    sender: str,
    detail: str,
    version: int,
    hello: ClientHello,
    answer: ServerHello | None,
    suite: int | None,
    authorities: Sequence[str],
    schemes: Sequence[int],
    types: Sequence[int],
    parameters: bytes,
) -> Any:
    """The message of a step; None for what is a record only."""
    chosen = suite or (TLS13_SUITE if version == TLS13 else ECDHE)
    match step:
        case "client_hello":
            return hello
        case "server_hello":
            return answer or server_hello(version, chosen)
        case "hello_retry_request":
            return server_hello(version, chosen, retry=True)
        case "certificate":
            return messages.Certificate(() if detail == "empty" else (messages.CertificateEntry(b"\x30\x00"),))
        case "certificate_request":
            return messages.CertificateRequest(tuple(types), tuple(schemes), tuple(map(name, authorities)))
        case "server_key_exchange":
            return messages.ServerKeyExchange(parameters)
        case "server_hello_done":
            return messages.ServerHelloDone()
        case "client_key_exchange":
            return messages.ClientKeyExchange(b"")
        case "certificate_verify":
            return messages.CertificateVerify(0x0403, b"")
        case "finished":
            return messages.Finished(b"")
        case "encrypted_extensions":
            return messages.EncryptedExtensions(())
        case "hello_request":
            return messages.HelloRequest()
    return None


def carrier(
    opened: bool,
    closings: Sequence[Mark],
    head: bytes,
    time: int,
    passages: dict[str, Passage],
    *,
    repeated: dict[str, tuple[int, ...]],
) -> Carrier:
    openings = (Mark("client", "syn", 1, START), Mark("server", "syn-ack", 2, START)) if opened else ()
    return Carrier(
        openings=openings,
        closings=tuple(closings),
        heads={"client": b"", "server": head},
        repeated={"client": (), "server": (), **repeated},
        preambles=(),
        refused=False,
        last_time=time,
        passages=passages,
    )


def passage(*segments: tuple[int, int, int, float], received: int | None = None) -> Passage:
    """How segments got through: of each the frame, the position, the length, and the seconds since START."""
    stream = ByteStream(1 << 16)
    stream.expect(0)
    for frame, begin, length, at in segments:
        data, time = memoryview(bytes(length)), START + round(at * SECOND)
        stream.feed(
            Rows(data, (frame,), (time,), (0,), (length,), (0, length), (length,), (begin,), (0,), (ACK,), (0, 1)), 0, 1
        )
    stream.finish(received, segments[-1][0])
    return stream.passage


def attempt(
    *,
    openings: Sequence[Mark] = (Mark("client", "syn", 1, START), Mark("server", "syn-ack", 2, START)),
    closings: Sequence[Mark] = (),
    sent: bytes = b"",
    answered: bytes = b"",
    preambles: Sequence[Preamble] = (),
    refused: bool = False,
    port: int = 443,
    **changes: Any,
) -> HandshakeReport:
    """A connection on which TLS never began."""
    known = {
        "capture": "a.pcap",
        "stream": 0,
        "display_filter": "tcp.stream eq 0",
        "first_frame": 1,
        "last_frame": 9,
        "start": START,
        "duration": None,
        "client": Endpoint(CLIENT, 50000),
        "server": Endpoint(SERVER, port),
        "preamble": "+".join(one.name for one in preambles) or None,
        "outcome": "failed",
        "authentication": "undetermined",
        "carrier": Carrier(
            openings=tuple(openings),
            closings=tuple(closings),
            heads={"client": sent, "server": answered},
            repeated={"client": (), "server": ()},
            preambles=tuple(preambles),
            refused=refused,
            last_time=START,
        ),
    }
    return HandshakeReport(**{**known, **changes})


def case(report: HandshakeReport, *others: HandshakeReport, assumed_trust: bool = False) -> Case:
    """A case among other handshakes of the same capture."""
    return Case(report, Surroundings([sighting(one) for one in (report, *others)], assumed_trust=assumed_trust))
