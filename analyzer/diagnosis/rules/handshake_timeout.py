"""One side waited in vain in the middle of the handshake, and gave up.

What it means: Nothing came for seconds, and then somebody closed. Where the client owes the answer, a person may have
been asked for a certificate or a PIN (smart card), or its program was busy. Where the server does, its process hangs,
or nothing behind a balancer takes the connection. Or the network lost what either side had sent.

On the wire: A gap of several seconds after the last message, then FIN or RST without an alert. It is the network where
the last flight is sent again and never acknowledged (nor by that FIN), where later bytes came and the ones before them
never did, and probably where a record has begun and does not end.

Client's owner: Raise the timeout, or avoid the prompt (remember the choice, unlock the card beforehand).

Server's owner: Raise the handshake timeout (nginx client_header_timeout, HAProxy timeout client, Apache
RequestReadTimeout handshake), or find out why the process does not answer.

References: RFC 8446, section 6.1.
"""

from analyzer.diagnosis.case import OTHER, Case, Ending
from analyzer.diagnosis.faults import sentence
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.results import Sender
from analyzer.tls.handshake import Handshake, Sent
from analyzer.tls.inference import expected

SEVERITY = "error"
STAGE = None
SPECIFICITY = 2
WHEN = ("failed",)

_UNFINISHED = frozenset(("certificate", "client_key_exchange", "certificate_verify", "change_cipher_spec"))
"""Messages that no flight of a client ends with."""
_SMALLEST_FLIGHT = 300
"""Bytes of a protected record with a server's whole flight, a certificate among it, at least."""


def judge(case: Case) -> Judgment | None:
    """Silence, then a close."""
    ending, facts = case.ending, case.facts
    if facts is not None and facts.is_dtls and ending.how == "silence":
        return _silence(case, facts)
    if facts is None or ending.how not in ("fin", "rst") or ending.sender is None or not facts.sent:
        return None
    waited = case.gap(ending)
    if waited is None or not case.is_late or case.head["server"]:
        return None
    before = [sent for sent in facts.sent if ending.time is not None and sent.time < ending.time]
    if not before:
        return None
    last = before[-1]
    goes_on = _goes_on(case, facts, last)
    owes = last.sender if goes_on else OTHER[last.sender]
    lost = _lost(facts, ending, last, owes)
    prompt = case.asked and owes == "client" and not goes_on and lost is None and case.stage == "server-authentication"
    hint = " It had been asked for a certificate: a person may have been choosing one." if prompt else ""
    what = "the rest of its flight" if goes_on else f"an answer to the {last.sender}'s {_words(last)}"
    return Judgment(
        confidence="likely",
        summary=f"{sentence(case.name(owes))} owed {what}, and nothing came for {waited:.1f} s; then the "
        f"{ending.sender} {ending.words}.{f' {lost}' if lost else hint}",
        remedy=advise(
            network="find out where packets are lost." if lost else "",
            client="avoid the prompt for a certificate or PIN, or raise the timeout."
            if owes == "client"
            else "raise the timeout, if the server is merely slow.",
            server="raise its handshake timeout." if owes == "client" else "find out why its process does not answer.",
            confirm=f"the display filter `{case.report.display_filter} && tcp.time_delta > 1`.",
        ),
        evidence=case.see(last.frame, ending),
    )


def _words(last: Sent) -> str:
    """What was not answered; of a record that is encrypted, the flight that it ends."""
    return last.name if last.protection != "encrypted" else "flight"


def _goes_on(case: Case, facts: Handshake, last: Sent) -> bool:
    """Whether more of the same flight had to follow: it ends in ServerHelloDone or Finished."""
    if last.sender == "client":
        return last.name in _UNFINISHED and last.protection != "encrypted"
    if facts.server_hello is None or case.client_answered:
        return False
    if facts.first("server_hello_done") or facts.first("finished", "server"):
        return False
    if not facts.is_tls13:
        return facts.first("encrypted_handshake", "server") is None
    hidden = [s.length for s in facts.sent if s.name == "application_data" and s.sender == "server"]
    suite = facts.suite
    if last.protection != "encrypted" or suite is None:
        return True
    # Whoever puts several messages in a record need not end it so.
    sizes = expected(suite.hash_length, suite.tag_length or 16)
    return len(hidden) > 1 and hidden[0] < _SMALLEST_FLIGHT and not any(length in sizes.finished for length in hidden)


def _lost(facts: Handshake, ending: Ending, last: Sent, owes: Sender) -> str | None:
    """What shows that the network may be to blame."""
    if any(who == owes and hole.reason == "missing" for who, hole in facts.holes):
        return f"Bytes of the {owes}'s never arrived: the network lost them."
    if facts.was_unheard(last) or (ending.sender != last.sender and not ending.knew(last)):
        unheard = last.sender
    elif owes in facts.unheard:
        unheard = owes
    elif owes in facts.unfinished:
        return f"A record of the {owes}'s has begun, and its end never came: the network probably holds it up."
    else:
        return None
    gone = f", or the {OTHER[unheard]} was gone" if ending.sender == unheard else ""
    return f"What the {unheard} had sent was never acknowledged: the network lost it{gone}."


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
