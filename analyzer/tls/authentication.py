"""One-way or mutual: who was asked for a certificate, who presented one, and what says so?

In SSLv3 to TLS 1.2 the messages are in clear and the verdict is observed (RFC 5246, section 7.4.4 to 7.4.8). In
TLS 1.3 they are encrypted: decrypted messages are judged like clear ones, sizes by `inference`.
"""

from dataclasses import dataclass, field

from analyzer.results import Authentication, Basis, Evidence, Sender
from analyzer.tls import messages
from analyzer.tls.handshake import SSLV2, Handshake, Sent
from analyzer.tls.inference import Inference
from analyzer.tls.lineage import Original, inherited
from analyzer.tls.resumption import Resumption

_PSK_EXCHANGES = frozenset(("PSK", "DHE_PSK", "ECDHE_PSK", "RSA_PSK", "ECJPAKE", "SRP", "KRB5", "ECCPWD"))


@dataclass(slots=True)
class Verdict:
    """The verdict and what it rests on."""

    authentication: Authentication = "undetermined"
    basis: Basis | None = None
    requested: bool | None = None
    """A CertificateRequest was sent."""
    presented: bool | None = None
    """The client sent a certificate that is not empty."""
    evidence: list[Evidence] = field(default_factory=list)

    def because(self, sent: Sent | None, sender: Sender | None, says: str) -> None:
        """Add an observation."""
        frame = sent.frame if sent else None
        message = sent.name if sent and sent.message is not None else None
        self.evidence.append(Evidence(frame, sender, message, says))


def judge(handshake: Handshake, inference: Inference | None) -> Verdict:
    """The verdict on one handshake that resumes nothing."""
    verdict = Verdict()
    if handshake.server_hello is None:
        _judge_without_server_hello(handshake, verdict)
    elif handshake.is_tls13 and inference is not None:
        _judge_by_sizes(handshake, verdict, inference)
    else:
        _judge_messages(handshake, verdict)
    if verdict.authentication in ("one-way", "requested-not-provided") and _may_be_asked_later(handshake, inference):
        verdict.authentication, verdict.basis, verdict.presented = "undetermined", None, None
        verdict.requested = verdict.requested or None
        says = "The server may have asked after the handshake, from which on the capture lacks records."
        verdict.because(None, "server", says)
    return verdict


def _may_be_asked_later(handshake: Handshake, inference: Inference | None) -> bool:
    """Whether the capture lacks a place for post-handshake authentication (RFC 8446, section 4.6.2)."""
    hello = handshake.client_hello
    if not handshake.holes or not handshake.is_tls13 or handshake.quic is not None:
        return False
    if hello is not None and not hello.post_handshake_auth:
        return False
    done = inference.client_finished if inference is not None else None
    done = done or handshake.first("finished", "client") or handshake.first("application_data", "client")
    return done is not None and any(hole.frame > done.frame for _, hole in handshake.holes)


def inherit(resumption: Resumption, original: Original | None) -> Verdict:
    """A resumed session authenticates nobody anew (RFC 8446, section 2.2; RFC 5246, section 7.3).

    `original` is the session that it resumes, where that is known.
    """
    verdict = Verdict()
    verdict.authentication, verdict.requested, verdict.presented = inherited(original, external=resumption.external)
    verdict.evidence.append(Evidence(resumption.frame, "server", "server_hello", resumption.says))
    if original is not None:
        verdict.basis = "inherited" if original.authentication != "undetermined" else None
        says = f"The original is stream {original.stream}, handshake {original.handshake}: {original.authentication}."
    elif resumption.external:
        verdict.basis = "observed"
        says = "The key is not from a session of this capture; both sides know it beforehand."
    else:
        says = "The original session is not in this capture; whom it authenticated is unknown."
    verdict.because(None, None, says)
    return verdict


def _judge_without_server_hello(handshake: Handshake, verdict: Verdict) -> None:
    if handshake.version == SSLV2:
        verdict.because(None, "server", "In SSLv2 a request for the client's certificate is encrypted.")
        return
    if any(sent.message is not None and sent.name != "client_hello" for sent in handshake.sent):
        # The capture begins within the handshake, or lacks the ServerHello: what can be seen still counts.
        _judge_messages(handshake, verdict)
        if verdict.authentication != "undetermined":
            return
    elif handshake.hello_retry_request is not None:
        verdict.because(None, "server", "No ServerHello followed the HelloRetryRequest.")
        return
    verdict.because(None, "server", "No ServerHello is seen.")


def _judge_messages(handshake: Handshake, verdict: Verdict) -> None:
    """Judge by messages that can be read."""
    is_decrypted = any(sent.protection == "decrypted" and sent.name in _FLIGHT for sent in handshake.sent)
    basis: Basis = "decrypted" if is_decrypted else "observed"
    request = handshake.first("certificate_request", "server")
    server_certificate = _certificate(handshake, "server")
    client_certificate = _certificate(handshake, "client")
    verify = handshake.first("certificate_verify", "client")
    if request is not None:
        verdict.requested = True
        verdict.because(request, "server", _describe_request(request))
    if client_certificate is not None and _entries(client_certificate):
        verdict.authentication, verdict.basis, verdict.presented = "mutual", basis, True
        count = _entries(client_certificate)
        verdict.because(
            client_certificate, "client", f"The client presented {count} certificate{'s' if count > 1 else ''}."
        )
        if verify is not None:
            verdict.because(verify, "client", "The client sent a CertificateVerify.")
        return
    if verify is not None:
        verdict.authentication, verdict.basis, verdict.presented, verdict.requested = "mutual", basis, True, True
        verdict.because(verify, "client", "The client sent a CertificateVerify; its Certificate is not in the capture.")
        return
    if client_certificate is not None:
        if verdict.requested is None:
            verdict.requested = True
        verdict.authentication, verdict.basis, verdict.presented = "requested-not-provided", basis, False
        verdict.because(client_certificate, "client", "The client's Certificate is empty: it declined.")
        return
    if request is not None:
        _judge_unanswered(handshake, verdict, basis)
        return
    _judge_not_asked(handshake, verdict, basis, server_certificate)


def _judge_unanswered(handshake: Handshake, verdict: Verdict, basis: Basis) -> None:
    """Asked, and no Certificate of the client's is seen."""
    went_on = _went_on(handshake)
    refusal = next((a for a in handshake.alerts if a.sender == "client" and a.description == _NO_CERTIFICATE), None)
    if refusal is not None:
        verdict.authentication, verdict.basis, verdict.presented = "requested-not-provided", basis, False
        verdict.evidence.append(
            Evidence(refusal.frame, "client", "alert", "The client says that it has no certificate.")
        )
    elif went_on is not None and not handshake.has_hole("client", until=went_on):
        verdict.authentication, verdict.basis, verdict.presented = "requested-not-provided", basis, False
        verdict.because(went_on, "client", "The client went on without a Certificate.")
    elif went_on is not None or handshake.has_hole("client"):
        verdict.because(None, "client", "The capture lacks the place where the client's Certificate would be.")
    else:
        # Where only the server closes, what the client had sent may not have arrived.
        closed = any(closing.sender == "client" for closing in handshake.closings)
        ended = closed or any(alert.fatal for alert in handshake.alerts)
        is_whole = not handshake.has_hole() and "client" not in handshake.unfinished
        verdict.presented = False if ended and is_whole else None
        verdict.because(None, "client", "The handshake stopped before the client answered the request.")


def _went_on(handshake: Handshake) -> Sent | None:
    """What the client sends behind its Certificate; in TLS 1.3 ChangeCipherSpec means nothing."""
    if handshake.is_tls13:
        return handshake.first("finished", "client")
    return handshake.first("client_key_exchange", "client") or handshake.first("change_cipher_spec", "client")


_NO_CERTIFICATE = 41


def _judge_not_asked(handshake: Handshake, verdict: Verdict, basis: Basis, server_certificate: Sent | None) -> None:
    """No request is seen: was there none, or did the handshake stop before it, or does the capture lack it?"""
    suite = handshake.suite
    done = handshake.first("server_hello_done", "server")
    went_on = done or handshake.first("finished", "server") or _went_on(handshake)
    lost, answer = handshake.has_hole("server", until=done), _went_on(handshake)
    # A client that is asked answers with a Certificate, if only an empty one.
    if lost and (answer is None or handshake.has_hole("client", until=answer)):
        verdict.because(None, "server", "The capture lacks a part of the server's flight.")
        return
    if went_on is None:
        # A handshake that stops in the middle of the server's flight has not shown whether it would have asked.
        verdict.because(None, "server", "The handshake stopped before the server had sent all of its flight.")
        return
    if suite is not None and suite.key_exchange in _PSK_EXCHANGES:
        verdict.authentication, verdict.basis, verdict.requested = "psk", basis, False
        verdict.presented = False
        verdict.because(went_on, went_on.sender, f"The key exchange is {suite.key_exchange}: both sides know a secret.")
    elif suite is not None and suite.authentication == "anonymous":
        verdict.authentication, verdict.basis, verdict.requested = "anonymous", basis, False
        verdict.presented = False
        verdict.because(went_on, went_on.sender, "The cipher suite is anonymous: nobody proves an identity.")
    elif server_certificate is not None:
        verdict.authentication, verdict.basis, verdict.requested = "one-way", basis, False
        verdict.presented = False
        verdict.because(server_certificate, "server", "The server presented its certificate.")
        if lost:
            verdict.because(answer, "client", "The client went on without a Certificate: it was not asked for one.")
        else:
            verdict.because(went_on, went_on.sender, "Its flight is complete and holds no CertificateRequest.")
    elif handshake.is_tls13 and answer is not None and not handshake.has_hole("client", until=answer):
        # The client's secrets are known, the server's are not.
        verdict.authentication, verdict.basis, verdict.requested = "one-way", "decrypted", False
        verdict.presented = False
        verdict.because(answer, "client", "The client finished without a Certificate: it was not asked for one.")
    else:
        verdict.because(None, "server", "No Certificate of the server is seen.")


def _judge_by_sizes(handshake: Handshake, verdict: Verdict, inference: Inference) -> None:
    """TLS 1.3: decrypted messages first, then sizes."""
    if any(sent.name in _TELLING and sent.message is not None for sent in handshake.sent):
        _judge_messages(handshake, verdict)
        if verdict.authentication != "undetermined":
            return
        if verdict.requested is None:
            verdict.evidence.clear()
        if inference.answered:
            verdict.presented = None  # what cannot be read may be a Certificate
    asked = inference.asked if verdict.requested is None else verdict.requested
    verdict.evidence += inference.reasons
    verdict.requested = asked
    match inference.answer:
        case _ if inference.afterwards == "presented":
            verdict.authentication, verdict.requested, verdict.presented = "mutual", True, True
        case _ if inference.afterwards is not None:
            verdict.requested = verdict.presented = None
            verdict.because(None, None, "The sizes do not tell whether the server asked after the handshake.")
        case "not-asked" if asked is not True:
            verdict.authentication, verdict.requested, verdict.presented = "one-way", False, False
        case "declined" if asked is not False:
            verdict.authentication, verdict.requested, verdict.presented = "requested-not-provided", True, False
        case "presented" if asked is not False:
            verdict.authentication, verdict.requested, verdict.presented = "mutual", True, True
        case "not-asked" | "declined" | "presented":
            verdict.requested = None
            verdict.because(None, None, "The two sides' sizes contradict each other.")
        case _ if asked is False:
            verdict.authentication, verdict.presented = "one-way", False
        case _:
            if inference.presented is not None:
                verdict.presented = inference.presented
            if asked and inference.answer == "refused-server":
                verdict.presented = False
            verdict.because(None, None, "The handshake is encrypted, and its sizes do not tell.")
    if verdict.authentication != "undetermined":
        verdict.basis = "inferred"


_FLIGHT = frozenset(("encrypted_extensions", "certificate", "certificate_request", "server_hello_done"))
_TELLING = frozenset(("encrypted_extensions", "certificate", "certificate_verify", "certificate_request", "finished"))


def _certificate(handshake: Handshake, sender: Sender) -> Sent | None:
    """The first Certificate that holds any, else the first: who declined may show one behind the handshake."""
    names = ("certificate", "compressed_certificate")
    found = [sent for sent in handshake.sent if sent.name in names and sent.sender == sender]
    return next((sent for sent in found if _entries(sent)), found[0] if found else None)


def _entries(sent: Sent) -> int:
    """How many certificates a Certificate holds; one that cannot be read, but is there, counts as one."""
    match sent.message:
        case messages.Certificate(entries=entries):
            return len(entries)
        case messages.CompressedCertificate(certificate=certificate) if certificate is not None:
            return len(certificate.entries)
    return 1 if sent.length > 8 else 0


def _describe_request(sent: Sent) -> str:
    match sent.message:
        case messages.CertificateRequest(certificate_authorities=authorities):
            count = len(authorities)
            accepts = f"accepting {count} authorit{'ies' if count > 1 else 'y'}" if count else "naming no authorities"
            return f"The server asked for a client certificate, {accepts}."
    return "The server asked for a client certificate."
