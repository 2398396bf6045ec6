"""Does what the refusing side did agree with a fault of the certificate, and how sure does that make us?

The same fault gives another alert, or none, on another stack: OpenSSL and rustls name it, Java says
certificate_unknown to all, Go and GnuTLS bad_certificate, Node just leaves. So an alert that names the fault makes
it certain, one that names nothing leaves it likely, one that names another makes it merely possible.
"""

from typing import Literal

from analyzer.diagnosis.case import OTHER, Case, left_silently
from analyzer.diagnosis.finding import Confidence, Judgment
from analyzer.diagnosis.surroundings import Surroundings
from analyzer.results import CertificateReport, FindingEvidence, HandshakeReport, Sender

Kind = Literal[
    "expired",
    "not-yet-valid",
    "name",
    "usage",
    "issuer",
    "self-signed",
    "chain",
    "authority",
    "revoked",
    "list",
    "signature",
    "weak",
]
"""What can be wrong with a certificate; `list` is the revocation list, `authority` an issuer that is no CA."""

_NAMES: dict[str | None, frozenset[Kind]] = {
    "certificate_expired": frozenset(("expired", "not-yet-valid", "list")),
    "certificate_revoked": frozenset(("revoked",)),
    "bad_certificate_status_response": frozenset(("revoked",)),
    "unknown_ca": frozenset(("issuer", "self-signed", "chain", "authority", "list")),
    "unsupported_certificate": frozenset(("usage",)),
    "decrypt_error": frozenset(("signature",)),
    "insufficient_security": frozenset(("weak",)),
    "bad_certificate": frozenset(("not-yet-valid", "name", "weak", "signature")),
}
"""What an alert is sent for, by RFC 8446, section 6.2, and by the tables of OpenSSL and rustls."""
_VAGUE = frozenset(("bad_certificate", "certificate_unknown", "handshake_failure", "access_denied", "internal_error"))
"""Alerts that one stack or another sends for anything about a certificate."""
CERTIFICATE_ALERTS = frozenset(_NAMES) - {"insufficient_security", "decrypt_error"} | {"certificate_unknown"}
"""Alerts that are about certificates and nothing else."""
_OBJECTIVE = frozenset(("validity-period", "name-match", "extended-key-usage", "key-usage", "issuer-signature"))
"""Checks that do not depend on whom the other side trusts."""


def has_fault(case: Case, side: Sender, check: str, *, leaf: bool | None = None, got: str = "") -> bool | None:
    """Whether a side's certificates fail a check (with a reason that begins with `got`); None where nobody can see."""
    found = case.check(side, check, leaf=leaf)
    if found is not None and (found.got or "").startswith(got):
        return True
    return False if case.report.certificates[side] and case.report.chain[side] else None


def confidence(case: Case, side: Sender, kind: Kind, fault: bool | None, *, trust: bool = False) -> Confidence | None:
    """How sure it is that a side's certificate was refused for this fault; None where it was not.

    `fault`: the certificate has it, has it not, or cannot be seen. `trust`: whether it is one depends on whom the
    other side trusts.
    """
    ending = case.refusal(side)
    if ending is None or fault is False:
        return None
    if ending.how == "left" and (fault is None or (trust and _is_assumed(case, side))):
        return None
    named = kind in _NAMES.get(ending.alert, ())
    if fault is None:
        return "likely" if named and ending.alert != "bad_certificate" else None
    if named:
        return "certain"
    if ending.how in ("alert", "encrypted-alert") and ending.alert not in _VAGUE and ending.alert is not None:
        return "possible"
    if not trust or not _is_assumed(case, side):
        return "likely"
    # A public trust store merely stands in for the other side's: its not knowing an issuer proves little.
    if ending.how == "rst":
        return None
    objective = case.around.failures(case.report.chain[side]) & _OBJECTIVE
    return "possible" if objective or ending.how in ("fin", "close") else "likely"


def left_for(report: HandshakeReport, around: Surroundings) -> bool:
    """Whether the client of an established handshake left without a request, and the server's chain has a fault."""
    return around.asked_last(_left_for_cause, report)


def _left_for_cause(around: Surroundings, report: HandshakeReport) -> bool:
    return not around.failures(report.chain["server"]).isdisjoint(_REASONS) and left_silently(report)


_REASONS = _OBJECTIVE | {"issuer-known", "self-signed"}


def _is_assumed(case: Case, side: Sender) -> bool:
    return case.around.assumed_trust and side == "server"


TrustFault = Literal["self-signed", "incomplete", "unknown"]


def trust_fault(case: Case, side: Sender) -> tuple[TrustFault | None, bool | None]:
    """What keeps a side's certificates from an anchor, by what was sent; and whether the other side lacks that anchor.

    The second part is None where the other side's anchors are not known, or nothing can be seen.
    """
    certificates, chain = case.report.certificates[side], case.report.chain[side]
    if not certificates or chain is None:
        return None, None
    if chain.anchor is not None:
        return None, False
    failed = bool(case.around.failures(chain) & {"issuer-known", "self-signed"})
    last = certificates[0]
    by_subject = {one.subject: one for one in certificates}
    for _ in certificates:
        if last.issuer == last.subject or last.issuer not in by_subject:
            break
        last = by_subject[last.issuer]
    fault: TrustFault = "unknown"
    if last is certificates[0] and last.issuer == last.subject:
        fault = "self-signed"
    elif last.issuer != last.subject and (len(certificates) == 1 or _seen_elsewhere(case, side) is not None):
        fault = "incomplete"
    return fault, failed or None


def _seen_elsewhere(case: Case, side: Sender) -> str | None:
    """Where the capture has the issuer that was not sent here."""
    check = case.check(side, "issuer-known")
    got = (check.got or "") if check else ""
    _, elsewhere, where = got.partition(" was not sent here, but in ")
    return where if elsewhere else None


def seen_elsewhere(case: Case, side: Sender) -> str:
    """A clause on where the capture has the missing issuer; empty where it has not."""
    where = _seen_elsewhere(case, side)
    if where == case.report.display_filter:
        return f" (which the {OTHER[side]} itself sent here)"
    return f" (which was sent in {where})" if where else ""


def trust_confidence(case: Case, side: Sender, wanted: TrustFault, kind: Kind) -> Confidence | None:
    """How sure it is that a side's certificate was refused for want of an anchor, in the way of `wanted`."""
    fault, known = trust_fault(case, side)
    ending = case.refusal(side)
    if ending is None:
        return None
    if fault is None:
        # No certificates to be seen, or an anchor that the other side need not have.
        if wanted != "unknown" or ending.alert != "unknown_ca":
            return None
        return "possible" if any(one.issuer in case.authorities for one in case.report.certificates[side]) else "likely"
    if fault != wanted:
        doubtful = fault == "incomplete" and wanted == "unknown" and _seen_elsewhere(case, side) is None
        return "possible" if doubtful and ending.alert == "unknown_ca" else None
    if known is None:
        if ending.how == "left":
            return None
        if ending.alert == "unknown_ca":
            return "certain" if wanted == "self-signed" else "likely"
        return "possible" if ending.alert in _VAGUE or ending.alert is None else None
    sure = confidence(case, side, kind, known, trust=True)
    # An issuer that was not sent, and is nowhere else either, may as well be one that the other side does not trust.
    return "likely" if sure == "certain" and fault == "incomplete" and _seen_elsewhere(case, side) is None else sure


def refused(
    case: Case,
    side: Sender,
    how_sure: Confidence,
    fault: str,
    remedy: str,
    *,
    certificate: CertificateReport | None = None,
    evidence: list[FindingEvidence] | None = None,
) -> Judgment:
    """The other side refused this side's certificate, since it `fault`: a clause such as `expired on 2026-01-01`."""
    ending = case.refusal(side)
    assert ending is not None, "nothing was refused"
    shown = certificate or case.leaf(side)
    what = f"presented {described(shown)}, which {fault}" if shown else f"presented a certificate that {fault}"
    if shown is None:
        what += " (so says the alert alone: the certificate is encrypted)"
    elif shown is not case.leaf(side):
        what = f"presented a chain with {described(shown)}, which {fault}"
    return Judgment(
        confidence=how_sure,
        severity="warning" if case.established else None,
        explains=case.failed,
        summary=f"{sentence(case.name(side))} {what}, and {case.name(OTHER[side])} {ending.words}.",
        remedy=remedy,
        evidence=[*(evidence or ()), *case.see(case.sent("certificate", side), ending)],
    )


def described(certificate: CertificateReport) -> str:
    """A certificate by its subject, or by its number where that is empty."""
    return f"the certificate of {certificate.subject or 'no subject, serial number ' + certificate.serial_number}"


def day(time: str | None) -> str:
    """The date of an ISO 8601 time."""
    return time[:10] if time else "a date that cannot be read"


def sentence(text: str) -> str:
    """With a capital letter."""
    return text[:1].upper() + text[1:]


def chain_words(case: Case, side: Sender) -> str:
    """What a side sent, leaf first: `A, issued by B; B, issued by C`."""
    certificates = case.report.certificates[side]
    shown = [
        f"{one.subject or '(no subject)'} " + ("(self-signed)" if one.self_signed else f"issued by {one.issuer}")
        for one in certificates[:4]
    ]
    more = f"; and {len(certificates) - 4} more" if len(certificates) > 4 else ""
    return "; ".join(shown) + more
