"""How did the handshake end: established, failed, or does the capture not show it?"""

from dataclasses import dataclass

from analyzer.results import Basis, Evidence, Outcome, Sender
from analyzer.tls.dtls.last_flight import is_unheard
from analyzer.tls.handshake import SSLV2, Alert, Handshake, Parting, Sent
from analyzer.tls.inference import PATIENCE, Inference, expected
from analyzer.tls.record import HEADER, Hole
from analyzer.tls.registry import alert_description


@dataclass(slots=True)
class End:
    """The outcome and what it rests on."""

    outcome: Outcome
    basis: Basis | None
    evidence: Evidence | None
    finished: Sent | None = None
    """The last message of the handshake proper."""


def judge(handshake: Handshake, inference: Inference | None) -> End:
    """The outcome of a handshake."""
    if handshake.is_tls13:
        return _judge_tls13(handshake, inference)
    if handshake.version == SSLV2:
        return _judge_sslv2(handshake)
    return _judge_tls12(handshake)


def _judge_sslv2(handshake: Handshake) -> End:
    """SSLv2: behind the client's key the server sends an encrypted verification and Finished, the client one."""
    hidden = [sent for sent in handshake.sent if sent.name == "encrypted_handshake"]
    server = [sent for sent in hidden if sent.sender == "server"]
    client = [sent for sent in hidden if sent.sender == "client"]
    if len(server) > 1 and client:
        last = server[1]
        return End("established", "observed", _saw(last, "Both sides have sent their encrypted messages."), last)
    return _not_established(handshake) or _incomplete(handshake)


def _judge_tls12(handshake: Handshake) -> End:
    """SSLv3 to TLS 1.2: both sides have sent their Finished behind ChangeCipherSpec."""
    finished = {sender: _finished(handshake, sender) for sender in ("client", "server")}
    if finished["client"] and finished["server"]:
        last = max((sent for sent in finished.values() if sent), key=lambda sent: sent.frame)
        if is_unheard(handshake, last):
            return End("incomplete", None, _saw(last, _UNHEARD), last)
        established = End("established", "observed", _saw(last, "Both sides have sent Finished."), last)
        return _taken_back(handshake, last) or _left_before(handshake, last) or established
    in_full = handshake.first("server_hello_done", "server") if handshake.is_dtls else None
    if finished["server"] and in_full and handshake.has_hole("client"):
        says = "The server has sent Finished, which it does behind the client's: the capture lacks that."
        return End("established", "observed", _saw(finished["server"], says), finished["server"])
    secured = _secured(handshake, "server", in_full) if in_full and handshake.has_hole("server") else None
    if secured is not None:
        says = "The server goes on with the new keys, which it does behind both Finished: the capture lacks its own."
        return End("established", "observed", _saw(secured, says))
    # Without a version it may be TLS 1.3, whose handshake records look like data. They are of no other type, but a
    # ServerHello behind a HelloRetryRequest that the capture lacks seems to be encrypted.
    begins_late = handshake.client_hello is None and handshake.first("encrypted_handshake") is not None
    is_known = handshake.version is not None or begins_late
    least = 1 if is_known else _MORE_THAN_A_HANDSHAKE
    if min(handshake.application_data.values()) >= least:
        data = handshake.first("application_data")
        return End("established", "observed", _saw(data, "Both sides send application data."), data)
    return _not_established(handshake) or _incomplete(handshake)


_MORE_THAN_A_HANDSHAKE = 10
_UNHEARD = "The last Finished was sent again, and nothing shows that it arrived."


def gave_up(handshake: Handshake, inference: Inference | None) -> Parting | None:
    """With what the other side left before the last Finished can have reached it; None where it did not."""
    finished = _last_finished(handshake, inference)
    return _left_without(handshake, finished) if finished is not None else None


def _left_without(handshake: Handshake, finished: Sent) -> Parting | None:
    closing = next((closing for closing in handshake.closings if closing.sender != finished.sender), None)
    if closing is None or closing.knew(finished):
        return None
    if closing.how == "rst" and closing is not handshake.closings[0]:
        return None  # it answers the other side's closing
    # Up to TLS 1.2 whoever sends data before may close as well (RFC 7918).
    return closing if handshake.is_tls13 or not handshake.application_data[closing.sender] else None


def _last_finished(handshake: Handshake, inference: Inference | None) -> Sent | None:
    """The message with which both sides have finished."""
    if handshake.is_tls13:
        return handshake.first("finished", "client") or (inference.client_finished if inference else None)
    client, server = _finished(handshake, "client"), _finished(handshake, "server")
    return max(client, server, key=lambda sent: sent.frame) if client and server else None


def _left_before(handshake: Handshake, finished: Sent) -> End | None:
    """Not established, where the last Finished cannot have reached the other side, or seems not to have."""
    closing = _left_without(handshake, finished)
    if closing is not None:
        says = f"The {closing.sender} {_did(closing)} before the {finished.sender}'s Finished had reached it."
        return End("failed", "observed", Evidence(closing.frame, closing.sender, None, says))
    if not handshake.was_unheard(finished):
        return None
    behind = handshake.sent[handshake.sent.index(finished) + 1 :]
    if all(sent.sender == finished.sender for sent in behind):
        return End("incomplete", None, _saw(finished, _UNHEARD))
    return None


def _never_arrived(handshake: Handshake, sent: Sent) -> bool:
    """Whether the other side had no use for it: bytes before it were never acknowledged."""
    return any(
        who == sent.sender and hole.reason == "missing" and hole.frame <= sent.frame for who, hole in handshake.holes
    )


def _did(closing: Parting) -> str:
    return "reset the connection" if closing.how == "rst" else "closed the connection"


def _secured(handshake: Handshake, sender: Sender, behind: Sent) -> Sent | None:
    """The first that has the new keys and is no Finished."""
    later = (sent for sent in handshake.sent if sent.sender == sender and sent.frame > behind.frame)
    return next((s for s in later if s.name in ("application_data", "alert") and s.protection != "cleartext"), None)


def _taken_back(handshake: Handshake, finished: Sent) -> End | None:
    """An alert that revokes the handshake although both sides have sent Finished, `finished` being the last.

    Either it passed before that, so that its sender had not seen it; or it says that it refuses the peer. NSS judges
    the server's certificate while the handshake goes on, and some servers ask about the client's when it is over.
    Whoever sends data did not give up: its alert was a warning, or its farewell (it need not wait for the last
    Finished, RFC 7918).
    """
    begun = finished.first_frame or finished.frame  # it seems to end later where the capture lacks a part of it
    for alert in handshake.alerts:
        if handshake.application_data[alert.sender] or handshake.is_dtls:
            continue
        if alert.fatal and alert.protection == "decrypted" and alert.description in _REFUSES_PEER:
            return _failed_by(alert)
        if alert.sender != finished.sender and alert.frame < begun and alert.level in (None, 2):
            if alert.description is not None:
                return _failed_by(alert)
            says = f"The {alert.sender} sent an alert before it had seen the {finished.sender}'s Finished, and no data."
            return End("failed", "observed", Evidence(alert.frame, alert.sender, "alert", says))
    return None


_REFUSES_PEER = frozenset((40, *range(42, 50), 116))
"""handshake_failure, all that is wrong with certificates, access_denied, certificate_required."""


def _finished(handshake: Handshake, sender: Sender) -> Sent | None:
    """The Finished of one side: in clear, decrypted, or the first encrypted record behind ChangeCipherSpec."""
    switched = handshake.is_dtls  # there the epoch says it, too
    for sent in handshake.sent:
        if sent.sender != sender:
            continue
        if sent.name == "finished" or (switched and sent.name == "encrypted_handshake"):
            return sent
        switched = switched or sent.name == "change_cipher_spec"
    return None


def _judge_tls13(handshake: Handshake, inference: Inference | None) -> End:
    finished = handshake.first("finished", "client")
    if finished is not None:
        return _judge_decrypted(handshake, finished)
    refusal = _fatal_alert(handshake)
    if refusal is not None:
        return _failed_by(refusal)
    if inference is None:
        return _not_established(handshake) or _incomplete(handshake)
    done = inference.client_finished
    if inference.answer == "refused-server":
        says = "The client answered the server's flight with an encrypted alert."
        return End("failed", "inferred", _saw(inference.alert, says))
    if inference.cut is not None:
        says = "The server broke off its flight with an encrypted alert."
        return End("failed", "inferred", _saw(inference.cut, says))
    if inference.accepted is False:
        says = "The server answered the client's flight with an encrypted alert and nothing else."
        return End("failed", "inferred", _saw(inference.alert, says), done)
    left = _left_before(handshake, done) if done is not None else None
    if left is not None:
        return left
    if inference.accepted:
        says = "The server went on after the client's flight." if done else "Both sides went on after their flights."
        return End("established", "inferred", _saw(done, says), done)
    if done is not None and not inference.unclear:
        return _judge_silence(handshake, done, answered=inference.answer in ("presented", "declined"))
    if inference.answered:
        return End(
            "incomplete", None, _saw(None, "The sizes do not tell whether the server accepted the client's flight.")
        )
    return _not_established(handshake) or _incomplete(handshake)


def _judge_silence(handshake: Handshake, done: Sent, *, answered: bool) -> End:
    """The client finished, and nothing protected came from the server behind it.

    `answered` says that the client was asked for a certificate, so that there was something to refuse.
    """
    behind = handshake.sent[handshake.sent.index(done) + 1 :]
    reply = next((sent for sent in behind if _is_reply(sent, done) and sent.protection == "decrypted"), None)
    if reply is not None and reply.name != "alert":
        return End("established", "decrypted", _saw(reply, "The server went on after the client's flight."), done)
    later = [sent for sent in behind if sent.sender == "client" and sent.name in ("application_data", "alert")]
    closing = next((closing for closing in handshake.closings if closing.frame >= done.frame), None)
    # A reset does not show what it came behind.
    if any(hole.frame >= done.frame and not holds_alert(handshake, who, hole) for who, hole in handshake.holes):
        return End(
            "incomplete", None, _saw(done, "The capture lacks the server's answer to the client's flight."), done
        )
    at_once = closing is not None and closing.time - done.time <= PATIENCE  # later it may have waited for a request
    if (
        closing is not None
        and closing.sender == "server"
        and (answered or closing.how == "rst")
        and at_once
        and not any(sent.frame < closing.frame and _like_alert(sent) for sent in later)
    ):
        waited = (closing.time - done.time) / 1e9
        after = f"{waited:.1f} s" if waited >= 1 else "right"
        says = f"The server left ({closing.how.upper()}) {after} after the client's flight, without a ticket or data."
        return End("failed", "inferred", Evidence(closing.frame, "server", None, says), done)
    if not answered and (closing is not None or later):
        return End("established", "inferred", _saw(done, "The client has finished, and was not asked for more."), done)
    return End("incomplete", None, _saw(done, "The server's answer to the client's flight is not seen."), done)


def _hidden_refusal(handshake: Handshake, finished: Sent, replies: list[Sent]) -> Sent | None:
    """The server's first answer, where its secrets are not known and all that it sends is as long as an alert."""
    tag = (handshake.suite.tag_length if handshake.suite else None) or 16
    alerts = expected(0, tag).alerts
    if not replies or any(sent.protection != "encrypted" or sent.length not in alerts for sent in replies):
        return None
    first = replies[0].frame
    says_goodbye = any(a.sender == "client" and finished.frame <= a.frame < first for a in handshake.alerts)
    leaves = any(closing.sender == "client" and closing.frame < first for closing in handshake.closings)
    lost = any(hole.frame >= finished.frame for _, hole in handshake.holes)
    return None if says_goodbye or leaves or lost or handshake.is_dtls else replies[0]


def _is_reply(sent: Sent, finished: Sent) -> bool:
    """Whether the server said it behind the client's flight; a record that lacks a part may only seem to end there."""
    begun = sent.first_frame or sent.frame
    return sent.sender == "server" and sent.name != "change_cipher_spec" and begun > finished.frame


def holds_alert(handshake: Handshake, sender: Sender, hole: Hole) -> bool:
    """Whether what is missing behind the last record of a side that closed can only have been an alert."""
    if hole.length is None or all(closing.sender != sender for closing in handshake.closings):
        return False
    if any(sent.sender == sender and sent.frame >= hole.frame for sent in handshake.sent):
        return False
    hidden = expected(0, handshake.suite.tag_length or 16).alerts if handshake.is_tls13 and handshake.suite else ()
    fragment = hole.length - HEADER  # or a byte more, which may have been a FIN
    return any(length in (fragment, fragment + 1) for length in (_ALERT, *hidden))


_ALERT = 2
"""Bytes of an alert in clear."""


def _like_alert(sent: Sent) -> bool:
    return sent.name == "alert" or (sent.protection == "encrypted" and sent.length <= _LARGEST_ALERT)


_LARGEST_ALERT = 35


def _judge_decrypted(handshake: Handshake, finished: Sent) -> End:
    """TLS 1.3 with keys: what the server sends first behind the client's Finished may take it back."""
    behind = handshake.sent.index(finished) + 1
    replies = [sent for sent in handshake.sent[behind:] if _is_reply(sent, finished)]
    alerts = {alert.frame: alert for alert in handshake.alerts if alert.fatal and alert.sender == "server"}
    early = [alert for alert in alerts.values() if alert.frame < finished.frame]
    refusal = alerts.get(replies[0].frame) if replies and replies[0].name == "alert" else next(iter(early), None)
    if refusal is not None:
        return _failed_by(refusal)
    hidden = _hidden_refusal(handshake, finished, replies)
    if hidden is not None:
        says = "The server answered the client's flight with an encrypted alert and nothing else."
        return End("failed", "inferred", _saw(hidden, says), finished)
    left = _left_before(handshake, finished)
    if left is not None:
        return left
    if not replies and _never_arrived(handshake, finished):
        return _not_established(handshake) or _incomplete(handshake)
    answered = handshake.first("certificate", "client") or handshake.first("compressed_certificate", "client")
    acknowledged = handshake.datagrams.acknowledged["server"] if handshake.datagrams is not None else 0
    if not replies and answered is not None and acknowledged < finished.frame:
        return _judge_silence(handshake, finished, answered=True)
    if is_unheard(handshake, finished):
        return End("incomplete", None, _saw(finished, _UNHEARD), finished)
    return End("established", "decrypted", _saw(finished, "Both sides have sent Finished."), finished)


def _not_established(handshake: Handshake) -> End | None:
    """Failed, where an alert or an early end says so."""
    refusal = _fatal_alert(handshake)
    if refusal is not None:
        return _failed_by(refusal)
    warning = next((alert for alert in handshake.alerts if alert.level is not None), None)
    if handshake.closings:
        closing = handshake.closings[0]
        says = f"The {closing.sender} {_did(closing)} before the handshake was complete."
        if warning is not None and warning.description:
            says += f" The {warning.sender} had sent the alert {alert_description(warning.description)}."
        lacks = any(not holds_alert(handshake, who, hole) for who, hole in handshake.holes)
        if lacks or _lacks_server_hello(handshake):
            # What is missing may have been the rest of the handshake.
            return None
        return End("failed", "observed", Evidence(closing.frame, closing.sender, None, says))
    return _not_established_dtls(handshake) if handshake.is_dtls else None


def _lacks_server_hello(handshake: Handshake) -> bool:
    """Whether what is there cannot be without a ServerHello, which is not: the capture begins later, or lacks it."""
    hello = handshake.client_hello
    early = hello is not None and hello.early_data
    begins = ("client_hello", "change_cipher_spec", "alert", "hello_request", *(("application_data",) if early else ()))
    is_seen = handshake.first("server_hello") is not None or handshake.version == SSLV2  # it may be malformed
    return not is_seen and any(sent.name not in begins for sent in handshake.sent)


def _not_established_dtls(handshake: Handshake) -> End | None:
    """Datagrams have no FIN: an alert of any kind ends a handshake, and so does silence in answer to repetitions."""
    ending = next((alert for alert in handshake.alerts if alert.description not in _ENDS_NOTHING), None)
    if ending is not None:
        what = alert_description(ending.description) if ending.description is not None else "encrypted"
        says = f"The {ending.sender} sent the alert {what} before the handshake was complete."
        basis: Basis = "decrypted" if ending.protection == "decrypted" else "observed"
        evidence = Evidence(ending.frame, ending.sender, "alert", says)
        # One that stays closed comes behind its sender's Finished: it may say farewell, and the rest be missing.
        return None if handshake.has_hole() or ending.protection == "encrypted" else End("failed", basis, evidence)
    below = handshake.datagrams
    if below is not None and below.refused is not None:
        sender, frame = below.refused
        other: Sender = "server" if sender == "client" else "client"
        if not any(sent.sender == other and sent.frame > frame for sent in handshake.sent):
            says = f"Nobody takes the {sender}'s datagrams (an ICMP error in answer)."
            return End("failed", "observed", Evidence(frame, other, None, says))
    if below is None or not handshake.sent or handshake.has_hole():
        return None
    last = handshake.sent[-1]
    other = "server" if last.sender == "client" else "client"
    again = sum(frame > last.frame for frame in below.repeated[last.sender])
    waited = (below.last_time - last.time) / 1e9
    if again < _REPEATS or waited < _PATIENCE or any(frame > last.frame for frame in below.repeated[other]):
        return None
    says = f"The {other} did not answer, though the {last.sender} sent again and again for {waited:.1f} s."
    return End("failed", "observed", _saw(last, says))


_ENDS_NOTHING = (90, 100)
"""user_canceled, which close_notify follows, and no_renegotiation."""
_REPEATS, _PATIENCE = 2, 2.0
"""So often, and for so many seconds: the timer begins at one second and doubles (RFC 6347, section 4.2.4.1)."""


def _fatal_alert(handshake: Handshake) -> Alert | None:
    return next((alert for alert in handshake.alerts if alert.fatal), None)


def _failed_by(alert: Alert) -> End:
    description = alert_description(alert.description) if alert.description is not None else "encrypted"
    says = f"The {alert.sender} ended it with the fatal alert {description}."
    basis: Basis = "decrypted" if alert.protection == "decrypted" else "observed"
    return End("failed", basis, Evidence(alert.frame, alert.sender, "alert", says))


def _incomplete(handshake: Handshake) -> End:
    last = handshake.sent[-1] if handshake.sent else None
    says = "The capture does not show the end of the handshake."
    if handshake.has_hole():
        says = "The capture lacks records, and does not show that the handshake was finished."
    return End("incomplete", None, _saw(last, says))


def _saw(sent: Sent | None, says: str) -> Evidence:
    if sent is None:
        return Evidence(None, None, None, says)
    return Evidence(sent.frame, sent.sender, sent.name if sent.message is not None else None, says)
