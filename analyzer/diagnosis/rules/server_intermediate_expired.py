"""An intermediate certificate of the server's chain is out of its validity period.

What it means: The server's own certificate is good, but one of those that lead from it to an anchor is not. It happens
when a cross-signed or renewed intermediate was never replaced in the server's chain file.

On the wire: As for an expired certificate: the client refuses right after the server's flight.

Client's owner: A current trust store may know a shorter way; otherwise nothing.

Server's owner: Replace the intermediate in the chain file by the one that the authority publishes today.

References: RFC 5280, section 6.1.3.
"""

from analyzer.diagnosis import faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "server-authentication"
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """A certificate behind the leaf is out of its time."""
    check = case.check("server", "validity-period", leaf=False)
    sure = faults.confidence(case, "server", "expired", bool(check)) if check else None
    if check is None or sure is None:
        return None
    remedy = advise(
        server="replace the intermediate in the chain file by the one that the authority publishes today, and reload.",
        confirm=f"{case.s_client('-showcerts')} and look at the dates of every certificate.",
    )
    shown = case.certificate("server", check.certificate)
    return faults.refused(case, "server", sure, check.got or "is out of its time", remedy, certificate=shown)
