"""Client and server have no protocol version in common.

What it means: The newest version that one side speaks is older than the oldest that the other accepts. TLS 1.0 and 1.1
are switched off nearly everywhere; devices and old runtimes (Java 7, .NET 4.5, OpenSSL 1.0.0) speak nothing newer by
default.

On the wire: The server answers the ClientHello with protocol_version; GnuTLS says handshake_failure. OpenSSL 3 answers
a client that ends at TLS 1.1 with internal_error (its security level leaves no signature algorithm); old stacks
reset.

Client's owner: Update the runtime, or switch newer versions on.

Server's owner: If this client matters and cannot be updated, allow its version on an endpoint of its own.

References: RFC 8446, sections 4.2.1 and 6.2; RFC 8996.
"""

from analyzer.diagnosis import offers
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.faults import sentence
from analyzer.diagnosis.finding import Confidence, Judgment, advise
from analyzer.tls import registry

SEVERITY = "error"
STAGE = "hello"
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """The alert says so, or a server that says little was offered old versions only."""
    ending = case.ending
    if case.hello is None or ending.sender is None or case.stage not in ("hello", "server-authentication"):
        return None
    made = offers.offer(case.hello)
    others = {other.version for other in case.around.established_of_server(case.report)}
    sure: Confidence | None = None
    if ending.alert == "protocol_version":
        sure = "certain"
    elif case.report.transport == "quic":
        return None  # who speaks QUIC speaks TLS 1.3 (RFC 9001, section 4.2)
    elif not others.isdisjoint(map(registry.version, made.versions)):
        return None  # the server speaks a version that is offered
    elif offers.refused_hello(case) and (made.best < offers.TLS12 or (made.only_tls13 and made.is_usual)):
        sure = "likely" if ending.how == "alert" else "possible"
    if sure is None:
        return None
    offered = ", ".join(registry.version(version) for version in reversed(made.versions)) or "no known version"
    if ending.sender == "client":
        chosen = registry.version(case.answer.selected_version) if case.answer else "another version"
        said = f"The server chose {chosen}, and {case.name('client')} {ending.words}: it offers {offered}."
    else:
        accepted = offers.server_chose(case, "version")
        said = f"{sentence(case.name('client'))} offers {offered}, and {case.name('server')} {ending.words}.{accepted}"
    return Judgment(
        confidence=sure,
        summary=said,
        remedy=advise(
            client="update its TLS library or switch on TLS 1.2 and 1.3, so that it offers what the server accepts.",
            server="if the client cannot be changed, accept its version on an endpoint of its own.",
            confirm=f"{case.s_client('-tls1_2')} and the same with -tls1_3 tell which versions the server accepts.",
        ),
        evidence=case.see(case.sent("client_hello"), ending),
    )
