"""The handshake succeeded, and the server then refused the client's certificate, or the lack of one.

What it means: nginx and others finish the handshake whatever the client shows, and refuse the request: HTTP 400 "No
required SSL certificate was sent", or "The SSL certificate error". Servers built on GnuTLS (Exim, OpenLDAP) often look
at the certificate only when the handshake is over, and send an alert then. To the client's TLS library all is well.

On the wire: A complete handshake with CertificateRequest, one request, one short answer, close_notify and FIN by the
server. The page of nginx 1.22 makes a record of about 406 bytes where there was no certificate, 384 where it was not
accepted. Up to TLS 1.2 an alert may be all that the server sends behind its Finished, before the client has said
anything.

Client's owner: Present a certificate that the server accepts; the body of the answer says which of the two it was.

Server's owner: The error log says why the certificate was not accepted (`client SSL certificate verify error`).

References: nginx, ngx_http_ssl_module: codes 495 and 496.
"""

from analyzer.diagnosis import application, faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Confidence, Judgment, Severity, advise
from analyzer.diagnosis.surroundings import Surroundings
from analyzer.results import HandshakeReport
from analyzer.tls.handshake import Handshake, Sent

SEVERITY = "error"
STAGE = "application"
SPECIFICITY = 3
WHEN = ("established",)

_SHORT = range(360, 440)
"""Records that may hold the page of nginx, whose version makes it longer or shorter."""
_FINISHED = ("encrypted_handshake", "finished")
_ALERTS = (11, 19, 26, 35)
_STATUSES = (400, 401, 403, 495, 496)


def applies(report: HandshakeReport, around: Surroundings) -> bool:
    """Whether a certificate was asked for, and the answer can be read, or the client declined and the server closed."""
    if not report.client_certificate_requested or report.facts is None or report.resumption is not None:
        return False
    if report.facts.plaintext:
        return True
    if _left_at_once(report.facts) is not None:
        return True
    closed = report.closed_by
    if closed is None or closed.sender != "server":
        return False
    if report.authentication != "requested-not-provided" and not around.failures(report.chain["client"]) & _DECIDES:
        return False
    sent = (one.length for one in report.facts.sent if one.sender == "server" and one.name == "application_data")
    return any(length in _SHORT for length in sent)


def judge(case: Case) -> Judgment | None:
    """Decrypted, the answer says so; else one short answer to the first request, or an alert, and the server leaves."""
    response = application.response(case.plaintext("server"))
    if response is not None:
        if response.status not in _STATUSES or not response.speaks_of_certificate:
            return None
        return _judgment(case, f"answered {response.words}, and its page speaks of the certificate", "certain")
    disliked = bool(case.around.failures(case.report.chain["client"]) & _DECIDES)
    if case.facts is None or case.plaintext("server"):
        return None
    sure: Confidence = "likely" if disliked else "possible"
    if _left_at_once(case.facts) is not None:
        tried = case.s_client("-cert", "client.pem", "-key", "client.key", typed=True)
        confirm = f"{tried} names the alert, or stays open where it is none about the certificate."
        return _judgment(case, "sent an alert behind its Finished at once, and no data", sure, confirm)
    if not (case.declined or disliked):
        return None
    answers = _answers(case)
    if len(answers) != 1 or answers[0].length not in _SHORT:
        return None
    what = f"answered the first request with {answers[0].length} encrypted bytes and closed"
    return _judgment(case, what, sure)


def _left_at_once(facts: Handshake) -> Sent | None:
    """The encrypted alert that is the first of all behind the server's Finished; None where something else is."""
    if facts.is_tls13 or facts.is_dtls:
        return None
    finished = [at for at, one in enumerate(facts.sent) if one.sender == "server" and one.name in _FINISHED]
    behind = facts.sent[finished[-1] + 1 :] if finished else []
    first = behind[0] if behind else None
    return first if first and (first.name, first.sender, first.protection) == ("alert", "server", "encrypted") else None


def _answers(case: Case) -> list[Sent]:
    """The server's data behind the client's first data, without what may be alerts."""
    sent = case.facts.sent if case.facts else []
    done = case.sizes.client_finished if case.sizes else None
    data = [one for one in sent[sent.index(done) + 1 if done else 0 :] if one.name == "application_data"]
    asked = next((at for at, one in enumerate(data) if one.sender == "client"), len(data))
    return [one for one in data[asked:] if one.sender == "server" and one.length not in _ALERTS]


def _judgment(case: Case, what: str, sure: Confidence, confirm: str | None = None) -> Judgment:
    leaf = case.leaf("client")
    failed = sorted(case.around.failures(case.report.chain["client"]) & _DECIDES)
    shown = "sent none" if case.declined else f"presented {faults.described(leaf)}" if leaf else "presented one"
    why = f" ({', '.join(failed)} fails)" if failed and leaf else ""
    curl = f"`curl -v --cert client.pem --key client.key https://{case.report.server}/` prints the answer."
    return Judgment(
        confidence=sure,
        severity=_SEVERITIES[sure],
        explains=sure == "certain",
        summary=f"{faults.sentence(case.name('server'))} asked for a client certificate, {case.name('client')} "
        f"{shown}{why}, "
        f"the handshake succeeded, and the server {what}.",
        remedy=advise(
            client="present a certificate that the server accepts, with its intermediates.",
            server="look into the error log for why it was not accepted (nginx: client SSL certificate verify error).",
            confirm=confirm or curl,
        ),
        evidence=case.see(case.sent("certificate_request", "server"), case.report.last_frame),
    )


_SEVERITIES: dict[Confidence, Severity] = {"certain": "error", "likely": "warning", "possible": "notice"}
_DECIDES = frozenset(("validity-period", "issuer-known", "self-signed", "extended-key-usage", "revocation-list"))
