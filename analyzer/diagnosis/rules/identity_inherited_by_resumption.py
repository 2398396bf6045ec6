"""A resumed session took over who the client is; no certificate was looked at.

What it means: A resumed session (session id, ticket or pre-shared key) does not authenticate anybody anew: both sides
go by what the original handshake showed. A certificate that was renewed, revoked or removed since then plays no part,
so that a rotation seems to have no effect, or a client without any certificate seems to be mutual.

On the wire: No Certificate and no CertificateRequest: ServerHello with pre_shared_key, or ChangeCipherSpec right behind
it.

Client's owner: After a change of certificate close pooled connections and drop cached sessions (restart the program).

Server's owner: Limit the lifetime of sessions and tickets; change the ticket key when authorities or lists change.

References: RFC 8446, sections 2.2 and 4.6.1; RFC 5246, section 7.3.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.diagnosis.surroundings import Sighting, Surroundings
from analyzer.results import HandshakeReport, Sender

SEVERITY = "notice"
STAGE = "resumption"
SPECIFICITY = 1
WHEN = ("established",)


def applies(report: HandshakeReport, around: Surroundings) -> bool:
    """Whether it is resumed from a known original."""
    return report.resumes is not None


def judge(case: Case) -> Judgment | None:
    """The original was mutual; or either side has shown another certificate since."""
    report = case.report
    original = case.around.original(report)
    if original is None:
        return None
    rotated = _rotated(case, original, "client") or _rotated(case, original, "server")
    if rotated is None and original.authentication != "mutual":
        return None
    who = ""
    if original.certificates["client"]:
        who = f" ({original.certificates['client'][0].subject})"
    changed = f" Since then {rotated}: this session goes on with the former one." if rotated else ""
    return Judgment(
        confidence="certain" if report.resumption != "psk" or original.certificates["client"] else "likely",
        severity="warning" if rotated else None,
        explains=False,
        summary=f"This session is resumed: who the client is{who} was shown in {original.display_filter}, and is not "
        "shown "
        f"again.{changed}",
        remedy=advise(
            client="after a change of certificate close pooled connections and drop cached sessions.",
            server="limit the lifetime of sessions and tickets, and change the ticket key when authorities change.",
            confirm=f"the display filter `{original.display_filter} or {report.display_filter}` shows both handshakes.",
        ),
        evidence=case.see(case.sent("server_hello")),
    )


def _rotated(case: Case, original: Sighting, side: Sender) -> str | None:
    """Which other certificate this side has shown since the original."""
    other = case.around.rotated(case.report, original, side)
    if other is None:
        return None
    return f"the {side} has shown another certificate ({other.certificates[side][0].subject}, {other.display_filter})"
