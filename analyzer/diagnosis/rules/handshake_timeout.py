"""One side waited in vain in the middle of the handshake, and gave up.

What it means: Nothing came for seconds, and then somebody closed. Where the client owes the answer, a person may have
been asked for a certificate or a PIN (smart card), or its program was busy. Where the server does, its process hangs,
or nothing behind a balancer takes the connection.

On the wire: A gap of several seconds after the last message, then FIN or RST without an alert.

Client's owner: Raise the timeout, or avoid the prompt (remember the choice, unlock the card beforehand).

Server's owner: Raise the handshake timeout (nginx client_header_timeout, HAProxy timeout client, Apache
RequestReadTimeout handshake), or find out why the process does not answer.

References: RFC 8446, section 6.1.
"""

from analyzer.diagnosis.case import OTHER, Case
from analyzer.diagnosis.faults import sentence
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.tls.handshake import Handshake

SEVERITY = "error"
STAGE = None
SPECIFICITY = 2
WHEN = ("failed",)

_LONG = 2.5
"""Seconds of silence that no network explains; retransmissions begin within one."""


def judge(case: Case) -> Judgment | None:
    """Silence, then a close."""
    ending, facts = case.ending, case.facts
    if facts is not None and facts.is_dtls and ending.how == "silence":
        return _silence(case, facts)
    if facts is None or ending.how not in ("fin", "rst") or ending.sender is None or not facts.sent:
        return None
    waited = case.gap(ending)
    if waited is None or waited < _LONG or case.head["server"]:
        return None
    before = [sent for sent in facts.sent if ending.time is not None and sent.time < ending.time]
    if not before:
        return None
    last = before[-1]
    owes = OTHER[last.sender]
    prompt = case.asked and owes == "client" and not case.client_answered
    hint = " It had been asked for a certificate: a person may have been choosing one." if prompt else ""
    return Judgment(
        confidence="likely",
        summary=f"{sentence(case.name(owes))} did not answer {last.name} for {waited:.1f} s, then the {ending.sender} "
        f"{ending.words}.{hint}",
        remedy=advise(
            client="avoid the prompt for a certificate or PIN, or raise the timeout."
            if owes == "client"
            else "raise the timeout, if the server is merely slow.",
            server="raise its handshake timeout." if owes == "client" else "find out why its process does not answer.",
            confirm=f"the display filter `{case.report.display_filter} && tcp.time_delta > 1`.",
        ),
        evidence=case.see(last.frame, ending),
    )


def _silence(case: Case, facts: Handshake) -> Judgment | None:
    """Nobody closes DTLS: one side went silent, and the other sent its last flight again until it gave up."""
    below = facts.datagrams
    if below is None or below.refused is not None or not any(sent.sender == "server" for sent in facts.sent):
        return None
    last = facts.sent[-1]
    owes, waited = OTHER[last.sender], (below.last_time - last.time) / 1e9
    again = [frame for frame in below.repeated[last.sender] if frame > last.frame]
    if not again:
        return None
    declined = " It had sent no certificate, which the server may insist on." if case.declined else ""
    return Judgment(
        confidence="likely",
        summary=f"{sentence(case.name(owes))} did not answer {last.name} for {waited:.1f} s, though the {last.sender} "
        f"sent it again.{declined}",
        remedy=advise(
            client="look into its log." if owes == "client" else "configure a certificate." if declined else "",
            server="look into its log: it may refuse without an alert." if owes == "server" else "",
            network="see whether datagrams of that size get through.",
            confirm=case.s_client(),
        ),
        evidence=case.see(last, *again[:3]),
    )
