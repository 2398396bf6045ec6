"""The same client succeeds with another server, or at another time, in this capture.

What it means: Something differs between the two: what the server asks for, or what the client shows. `mtlscope compare`
sets the two handshakes side by side.

On the wire: A failed handshake, and an established one of the same client.

Client's owner: Compare the two.

Server's owner: Compare what this server asks for (authorities, algorithms, versions) with what the other one does.

References: mtlscope compare.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "notice"
STAGE = "application"
SPECIFICITY = 1
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """An established handshake of the same client: with the same server, or mutual where this one was to be."""
    report = case.report
    if report.version is None and case.facts is None:
        return None
    good = case.around.successes_of_client(report)
    same = [other for other in good if other.server == report.server]
    mutual = [other for other in good if other.authentication == "mutual"] if case.asked else []
    best = next(iter(mutual or same), None)
    if best is None:
        return None
    shown = ""
    if best.certificates["client"]:
        leaf = best.certificates["client"][0]
        shown = f" There it presented {leaf.subject}, issued by {leaf.issuer}."
    return Judgment(
        confidence="certain",
        explains=False,
        summary=f"The client {report.client.ip} succeeded with {best.server} ({best.authentication}, "
        f"{best.display_filter}).{shown}",
        remedy=advise(
            client="compare the two handshakes.",
            confirm=f"`mtlscope compare CAPTURE CAPTURE --stream {best.stream} --stream {report.stream}`.",
        ),
        evidence=case.see(best.first_frame),
    )
