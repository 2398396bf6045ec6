"""The server does not know the name that the client asked for, or was not told any.

What it means: One address serves many names, and the hello says which is meant (server name indication, SNI). A server
that is strict refuses a name that it does not have; one that needs a name refuses a hello without.

On the wire: unrecognized_name by the server (fatal), or handshake_failure or a reset for a hello without SNI where the
same server answers hellos with SNI. As a warning the alert does not end the handshake, but makes old Java clients
leave.

Client's owner: Correct the host name; send SNI (old libraries, and connections to an address, do not).

Server's owner: Add the name to a virtual host, or define a default one.

References: RFC 6066, section 3.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.faults import sentence
from analyzer.diagnosis.finding import Confidence, Judgment, advise, listed

SEVERITY = "error"
STAGE = "hello"
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """The alert says so; or a hello without a name fails where those with one succeed."""
    ending, name = case.ending, case.report.server_name
    warned = case.facts is not None and any(alert.description == 112 and not alert.fatal for alert in case.facts.alerts)
    others = sorted({o.server_name for o in case.around.established_of_server(case.report) if o.server_name})
    sure: Confidence | None = None
    if ending.alert == "unrecognized_name" and ending.sender == "server":
        sure = "certain"
    elif warned and ending.sender == "client":
        sure = "likely"
    elif name is None and case.stage == "hello" and ending.sender == "server" and case.reached("client_hello"):
        sure = "likely" if others else "possible"
    if sure is None:
        return None
    asked = f"asked for {name}" if name else "named no server (no SNI)"
    known = f" In this capture the server answers to {listed(others)}." if others else ""
    who = case.name(ending.sender or "server")
    said = " with the warning unrecognized_name" if warned and ending.sender == "client" else ""
    return Judgment(
        confidence=sure,
        summary=f"{sentence(case.name('client'))} {asked}{', the server answered' + said if said else ''}, "
        f"and {who} {ending.words}.{known}",
        remedy=advise(
            client="connect by the right host name, and send it as SNI.",
            server=f"add {name or 'a default virtual host'} to its configuration.",
            confirm="`openssl s_client` with -servername and a name that the server has.",
        ),
        evidence=case.see(case.sent("client_hello"), ending),
    )
