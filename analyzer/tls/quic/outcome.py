"""How did a handshake over QUIC end? (RFC 9001, sections 4.1 and 4.8; RFC 9000, section 10.)

The server confirms a handshake by HANDSHAKE_DONE, which is encrypted; whoever ends it says so in CONNECTION_CLOSE. Of
that only what stands in an Initial packet can be read without keys; a stateless reset looks like any other packet.
"""

from analyzer.results import Basis, Evidence
from analyzer.tls.handshake import Handshake, Sent
from analyzer.tls.inference import Inference
from analyzer.tls.inference.quic import went_on
from analyzer.tls.outcome import End
from analyzer.tls.quic.facts import Closed, Quic
from analyzer.tls.quic.packet import name_of
from analyzer.tls.registry import alert_description

_REPEATS, _PATIENCE = 2, 2.0
"""So often, and for so many seconds: the timer begins at one second and doubles (RFC 9002, section 6.2)."""
_SHOWN = 8


def judge(handshake: Handshake, quic: Quic, inference: Inference | None) -> End:
    """The outcome of a handshake."""
    finished = handshake.first("finished", "client")
    if quic.confirmed is not None:
        frame, _ = quic.confirmed
        says = "The server confirmed the handshake (HANDSHAKE_DONE)."
        return End("established", "decrypted", Evidence(frame, "server", None, says), finished)
    ending = next((closed for closed in quic.closed if _takes_back(closed, quic, finished)), None)
    if ending is not None:
        return _closed(ending)
    if quic.acknowledged is not None:
        # A server processes nothing of the client's data before (RFC 9001, section 5.7).
        says = "The server acknowledged the client's data."
        return End("established", "decrypted", Evidence(quic.acknowledged, "server", None, says), finished)
    if finished is not None:
        return _finished(handshake, quic, finished)
    if inference is not None and inference.accepted:
        done = inference.client_finished
        says = "Both sides went on after their flights."
        return End("established", "inferred", Evidence(done.frame if done else None, "client", None, says), done)
    return _without_answer(handshake, quic) or _incomplete(handshake)


def _takes_back(closed: Closed, quic: Quic, finished: Sent | None) -> bool:
    """Whether a CONNECTION_CLOSE ends the handshake, and not merely a connection that it had established.

    Whoever refuses the client's Certificate says so behind the client's Finished, in a packet of any kind. Anybody can
    make an Initial packet, and nobody reads one any more when the client goes on (RFC 9001, section 4.9.1).
    """
    if closed.kind == "initial":
        gone = "handshake" if closed.sender == "client" else "1-rtt"
        return not any(one.sender == "client" and one.kind == gone and one.frame < closed.frame for one in quic.seen)
    own = closed.sender == "client" and closed.kind == "1-rtt"  # who has these keys has finished
    gone_on = any(one.sender == "client" and one.kind == "1-rtt" and one.frame <= closed.frame for one in quic.seen)
    done = finished is not None or own or gone_on
    return not done or (closed.sender == "server" and closed.alert is not None)


def _closed(closed: Closed) -> End:
    basis: Basis = "decrypted" if closed.protection == "decrypted" else "observed"
    if closed.alert is not None:
        says = f"The {closed.sender} ended it with the fatal alert {alert_description(closed.alert)}."
        return End("failed", basis, Evidence(closed.frame, closed.sender, "alert", says))
    says = f"The {closed.sender} closed the connection before the handshake was complete: {closed.says}."
    return End("failed", basis, Evidence(closed.frame, closed.sender, None, says))


def _finished(handshake: Handshake, quic: Quic, finished: Sent) -> End:
    """The client has finished; where it presented a certificate, the server may still refuse it.

    A server that has the client's Finished says so in 1-RTT packets (RFC 9001, section 4.1.2), and the client repeats
    it no more.
    """
    answered = handshake.first("certificate", "client") or handshake.first("compressed_certificate", "client")
    data = [seen for seen in quic.seen if seen.sender == "server" and seen.kind == "1-rtt"]
    unheard = quic.repeated > finished.frame and not any(seen.frame > finished.frame for seen in data)
    went = (answered is None and not unheard) or went_on(finished.frame, quic.last_data["client"], data)
    if handshake.first("finished", "server") is None or not went:
        says = "The server's answer to the client's flight is not seen."
        return End("incomplete", None, Evidence(finished.frame, "client", "finished", says), finished)
    says = "Both sides have sent Finished."
    return End("established", "decrypted", Evidence(finished.frame, "client", "finished", says), finished)


def _without_answer(handshake: Handshake, quic: Quic) -> End | None:
    """Failed, where the server speaks another version, or none at all."""
    if any(sent.sender == "server" for sent in handshake.sent) or handshake.has_hole("server"):
        return None
    if quic.refused is not None:
        frame, version, versions = quic.refused
        offered = ", ".join(name_of(version) for version in versions[:_SHOWN])
        says = f"The server does not speak version {name_of(version)} of QUIC, but {offered or 'no other'}."
        return End("failed", "observed", Evidence(frame, "server", None, says))
    below = handshake.datagrams
    if below is None or quic.answered:
        return None
    if below.refused is not None:
        says = "Nobody takes the client's datagrams (an ICMP error in answer)."
        return End("failed", "observed", Evidence(below.refused[1], "server", None, says))
    again, waited = len(below.repeated["client"]), (below.last_time - handshake.start) / 1e9
    if again < _REPEATS or waited < _PATIENCE:
        return None
    says = f"The server did not answer: the ClientHello was sent {again + 1} times within {waited:.1f} s."
    return End("failed", "observed", Evidence(handshake.first_frame, "client", "client_hello", says))


def _incomplete(handshake: Handshake) -> End:
    last = handshake.sent[-1] if handshake.sent else None
    says = "The capture does not show the end of the handshake."
    if handshake.has_hole():
        says = "The capture lacks packets, and does not show that the handshake was finished."
    if last is None:
        return End("incomplete", None, Evidence(None, None, None, says))
    return End("incomplete", None, Evidence(last.frame, last.sender, last.name if last.message else None, says))
