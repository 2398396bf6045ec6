"""Which lines of a message does its picture show? The values that a reader compares, from the message itself."""

from collections.abc import Iterable, Iterator

from analyzer.diagram import words
from analyzer.diagram.sequence import Line, Mark, Step
from analyzer.pki.der import DerError
from analyzer.pki.names import Name
from analyzer.results import CertificateReport, ChainReport, HandshakeReport, ProofReport, Sender
from analyzer.tls import messages, registry
from analyzer.tls.handshake import Handshake, Sent
from analyzer.tls.preambles import begins_tls

_SHOWN = 3
_LONGEST = 400
_FIRST_LINE = 60
_MARKS: dict[str, Mark] = {"pass": "verified", "fail": "failed", "undetermined": "unchecked"}


def lines(sent: Sent, report: HandshakeReport) -> tuple[Line, ...]:
    """The details of a message that could be read."""
    made = _LINES.get(sent.name)
    if sent.message is None:
        return tuple(_certificates(sent, report)) if sent.name in _CERTIFICATES else ()
    if isinstance(sent.message, messages.MalformedMessage):
        return (Line("malformed", sent.message.reason, "failed"),)
    if isinstance(sent.message, messages.Unknown):  # a reserved type may have the name of a message
        return ()
    return tuple(made(sent, report)) if made else ()


def answer_in_clear(report: HandshakeReport) -> Step | None:
    """What the server says where a ClientHello, or something else than one, gets no ServerHello; None: nothing, or TLS.

    Of first bytes that are no TLS no frame is known. HTTP answers; other protocols may greet before.
    """
    facts: Handshake | None = report.facts
    below = report.carrier
    if below is None or (facts is not None and facts.server_hello is not None):
        return None
    # Behind a ClientHello these may be the bytes of what came before it.
    if report.preamble and (facts is not None or any(one.state != "tls" for one in below.preambles)):
        return None
    said = below.heads["server"]
    if not said:
        return None
    if begins_tls(said) is not False:
        if facts is not None:
            return None
        title, meaning = "Answers with TLS", ""
    else:
        line = said.splitlines()[0] if said.splitlines() else said
        shown = repr(line[:_FIRST_LINE].decode("ascii", "backslashreplace"))
        title = f"In clear: {shown}{'…' if len(line) > _FIRST_LINE else ''}"
        meaning = words.ANSWERS_IN_CLEAR if said.startswith(b"HTTP/") else words.SPEAKS_IN_CLEAR
    return Step(kind="message", key="answer", title=title, meaning=meaning, sender="server", tone="bad")


def signature(
    of: Sender, message: str, report: HandshakeReport, frame: int | None = None, scheme: str | None = None
) -> Line:
    """What this capture shows of a proof: a signature, or the MAC of a Finished."""
    label = "MAC" if message == "finished" else "signature"
    proof = _proof(of, message, report, frame)
    if proof is None:
        text = "cannot be checked here" if scheme else "cannot be checked here: it is encrypted"
        return Line(label, f"{scheme}, {text}" if scheme else text, "unchecked")
    text = {"pass": "verified here", "fail": "does not verify", "undetermined": "cannot be checked here"}[proof.status]
    if proof.reason:
        text += f": {proof.reason}"
    scheme = scheme or proof.algorithm
    return Line(label, f"{scheme}, {text}" if scheme else text, _MARKS[proof.status])


def chain(sender: Sender, report: HandshakeReport) -> tuple[Line, ...]:
    """What this capture shows of a side's certificates: each failed check, or the anchor that they lead to."""
    made = report.chain[sender]
    if made is None:
        hidden = "" if report.certificates[sender] else ": it is encrypted or missing"
        return (Line("certificate", f"cannot be checked here{hidden}", "unchecked"),)
    return tuple(_chain(made))


def _chain(made: ChainReport) -> Iterator[Line]:
    anchor = f"leads to {made.anchor}" if made.anchor else "leads to a trusted CA"
    if made.status == "pass":
        yield Line("certificate", f"{anchor}; checked at the time of the handshake", "verified")
        return
    if made.status == "not-applicable":
        yield Line("certificate", "not checked: there is none", "unchecked")
        return
    for check in made.checks:
        if check.status in ("fail", "undetermined"):
            yield Line(check.check.replace("-", " "), _compared(check.expected, check.got), _MARKS[check.status])


def _compared(expected: str | None, got: str | None) -> str:
    parts = [got or "", f"expected: {expected}" if expected else ""]
    return clip("; ".join(part for part in parts if part)) or "not as it must be"


def _proof(of: Sender, message: str, report: HandshakeReport, frame: int | None) -> ProofReport | None:
    found = [proof for proof in report.proofs if (proof.of, proof.message) == (of, message)]
    return next((proof for proof in found if frame in (None, proof.frame)), None)


def _client_hello(sent: Sent, report: HandshakeReport) -> Iterator[Line]:
    hello = sent.message
    assert isinstance(hello, messages.ClientHello)
    versions = [registry.version(code) for code in hello.supported_versions or () if not registry.is_grease(code)]
    yield Line("versions", _some(map(words.version, versions or [registry.version(hello.legacy_version)]), 5))
    suites = [code for code in hello.cipher_suites if not registry.is_grease(code)]
    names = [name for name in map(registry.cipher_suite, suites) if not name.endswith("_SCSV")]
    yield Line("cipher suites", _some(names))
    yield Line("client random", _hex(hello.random))
    if hello.server_name is not None:
        yield Line("server name", clip(hello.server_name))
    if hello.alpn:
        yield Line("protocols", _some(hello.alpn))
    groups = [code for code in hello.key_share_groups or () if not registry.is_grease(code)]
    if groups:
        yield Line("key shares", _some(map(registry.group, groups)))
    if identities := hello.psk_identities:
        yield Line("pre-shared key", _some(f"of {_bytes(len(one.identity))}" for one in identities))
    elif hello.session_ticket:
        yield Line("session ticket", f"{_bytes(len(hello.session_ticket))}, to resume an earlier session")
    if hello.early_data:
        yield Line("early data", "follows at once, before the server has answered")


def _server_hello(sent: Sent, report: HandshakeReport) -> Iterator[Line]:
    hello = sent.message
    if isinstance(hello, messages.SSLv2ServerHello):
        yield Line("cipher suites", _some(map(registry.cipher_suite, hello.cipher_suites)))
        return
    assert isinstance(hello, messages.ServerHello)
    retry = hello.is_hello_retry_request
    yield Line("version", words.version(registry.version(hello.selected_version)))
    yield Line("cipher suite", registry.cipher_suite(hello.cipher_suite))
    if not retry:
        yield Line("server random", _hex(hello.random))
    if hello.key_share_group is not None:
        yield Line("wants key share" if retry else "key share", registry.group(hello.key_share_group))
    if hello.cookie is not None:
        yield Line("cookie", _bytes(len(hello.cookie)))
    if hello.alpn:
        yield Line("protocol", clip(hello.alpn))
    if hello.selected_psk is not None:
        yield Line("pre-shared key", f"accepts number {hello.selected_psk + 1} of the client's")
    if not retry and report.resumption in ("session-id", "session-ticket"):
        yield Line("session", f"resumed by its {report.resumption.replace('-', ' ')}")


def _encrypted_extensions(sent: Sent, report: HandshakeReport) -> Iterator[Line]:
    message = sent.message
    assert isinstance(message, messages.EncryptedExtensions)
    if message.alpn:
        yield Line("protocol", clip(message.alpn))
    if message.early_data:
        yield Line("early data", "accepted")


def _certificates(sent: Sent, report: HandshakeReport) -> Iterator[Line]:
    entries = _entries(sent)
    if entries == 0:
        yield Line("", "It is empty: there is none to show")
        return
    shown = report.certificates[sent.sender]
    if not shown:
        if entries:
            yield Line("certificates", f"{entries}, {_bytes(sent.length)}")
        return
    leaf, *others = shown
    yield from _certificate(leaf)
    if others:
        yield Line("sent with it", _some((other.subject for other in others), 2))


def _certificate(leaf: CertificateReport) -> Iterator[Line]:
    yield Line("subject", clip(leaf.subject) or "(empty)")
    yield Line("issuer", "itself: it is self-signed" if leaf.self_signed else clip(leaf.issuer) or "(empty)")
    if leaf.not_before and leaf.not_after:
        yield Line("valid", f"{leaf.not_before[:10]} to {leaf.not_after[:10]}")
    if leaf.san:
        yield Line("names", _some(name.removeprefix("DNS:") for name in leaf.san))
    if leaf.key:
        yield Line("key", leaf.key)


def _entries(sent: Sent) -> int | None:
    match sent.message:
        case messages.Certificate(entries=entries):
            return len(entries)
        case messages.CompressedCertificate(certificate=certificate) if certificate is not None:
            return len(certificate.entries)
    return None


def _server_key_exchange(sent: Sent, report: HandshakeReport) -> Iterator[Line]:
    parameters = _parameters(sent, report.facts)
    if not isinstance(parameters, messages.ServerKeyExchangeParameters):
        return
    if parameters.group is not None:
        yield Line("key share", registry.group(parameters.group))
    elif parameters.prime:
        yield Line("key share", f"Diffie-Hellman, {_bits(parameters.prime)}")
    elif parameters.modulus:
        yield Line("key", f"RSA, {_bits(parameters.modulus)}")
    if parameters.signature is not None:
        yield signature("server", "server_key_exchange", report, sent.frame, _scheme(parameters.signature_scheme))


def _client_key_exchange(sent: Sent, report: HandshakeReport) -> Iterator[Line]:
    parameters = _parameters(sent, report.facts)
    if not isinstance(parameters, messages.ClientKeyExchangeParameters):
        return
    if parameters.psk_identity is not None:
        yield Line("identity", clip(parameters.psk_identity.decode("utf-8", "backslashreplace")))
    if parameters.encrypted_pre_master_secret:
        yield Line("encrypted", f"{_bytes(len(parameters.encrypted_pre_master_secret))}, for the server's key alone")
    elif parameters.public:
        yield Line("key share", _bytes(len(parameters.public)))


def _parameters(sent: Sent, facts: Handshake | None) -> object:
    suite = facts.suite if facts else None
    version = facts.version if facts else None
    if suite is None or version is None:
        return None
    match sent.message:
        case messages.ServerKeyExchange() | messages.ClientKeyExchange() as message:
            return message.parameters(suite, version)
    return None


def _certificate_request(sent: Sent, report: HandshakeReport) -> Iterator[Line]:
    request = sent.message
    assert isinstance(request, messages.CertificateRequest)
    if request.certificate_types:
        yield Line("types", _some(map(registry.client_certificate_type, request.certificate_types), 5))
    if request.signature_algorithms:
        yield Line("schemes", _some(map(registry.signature_scheme, request.signature_algorithms)))
    authorities = _some(map(_name, request.certificate_authorities))
    yield Line("authorities", authorities or "none named: a certificate of any")


def _certificate_verify(sent: Sent, report: HandshakeReport) -> Iterator[Line]:
    verify = sent.message
    assert isinstance(verify, messages.CertificateVerify)
    yield signature(sent.sender, "certificate_verify", report, sent.frame, _scheme(verify.signature_scheme))


def _finished(sent: Sent, report: HandshakeReport) -> Iterator[Line]:
    yield signature(sent.sender, "finished", report)


def _new_session_ticket(sent: Sent, report: HandshakeReport) -> Iterator[Line]:
    ticket = sent.message
    assert isinstance(ticket, messages.NewSessionTicket)
    lifetime = f", for {ticket.lifetime:,} seconds" if ticket.lifetime else ""
    yield Line("ticket", f"{_bytes(len(ticket.ticket))}{lifetime}")


def _certificate_status(sent: Sent, report: HandshakeReport) -> Iterator[Line]:
    status = sent.message
    assert isinstance(status, messages.CertificateStatus)
    yield Line("responses", f"{len(status.responses)}, {_bytes(sum(map(len, status.responses)))}")


_CERTIFICATES = frozenset(("certificate", "compressed_certificate"))
_LINES = {
    "client_hello": _client_hello,
    "server_hello": _server_hello,
    "hello_retry_request": _server_hello,
    "encrypted_extensions": _encrypted_extensions,
    "certificate": _certificates,
    "compressed_certificate": _certificates,
    "server_key_exchange": _server_key_exchange,
    "client_key_exchange": _client_key_exchange,
    "certificate_request": _certificate_request,
    "certificate_verify": _certificate_verify,
    "finished": _finished,
    "new_session_ticket": _new_session_ticket,
    "certificate_status": _certificate_status,
}


def clip(text: str, longest: int = _LONGEST) -> str:
    """A value as it is, or its beginning, with what is left out counted."""
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text):,} characters)"


def _some(names: Iterable[str], most: int = _SHOWN) -> str:
    """The first names of a list, and how many there are beside them."""
    every = list(names)
    shown = ", ".join(map(clip, every[:most]))
    return f"{shown} and {len(every) - most} more" if len(every) > most else shown


def _scheme(code: int | None) -> str | None:
    return None if code is None else registry.signature_scheme(code)


def _name(encoded: bytes) -> str:
    try:
        return Name(encoded).text
    except DerError:
        return f"an unreadable name of {_bytes(len(encoded))}"


def _hex(data: bytes) -> str:
    return f"{data[:8].hex()}…{data[-4:].hex()}"


def _bytes(count: int) -> str:
    return "1 byte" if count == 1 else f"{count:,} bytes"


def _bits(number: bytes) -> str:
    return f"{int.from_bytes(number).bit_length()} bits"
