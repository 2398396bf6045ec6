"""How did the handshake end: established, failed, or does the capture not show it?"""

from dataclasses import dataclass

from analyzer.results import Basis, Evidence, Outcome, Sender
from analyzer.tls.handshake import Alert, Handshake, Sent
from analyzer.tls.inference import Inference
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
    return _judge_tls12(handshake)


def _judge_tls12(handshake: Handshake) -> End:
    """SSLv3 to TLS 1.2: both sides have sent their Finished behind ChangeCipherSpec."""
    finished = {sender: _finished(handshake, sender) for sender in ("client", "server")}
    sent_data = {sender: handshake.application_data[sender] > 0 for sender in ("client", "server")}
    if finished["client"] and finished["server"]:
        last = max((sent for sent in finished.values() if sent), key=lambda sent: sent.frame)
        return End("established", "observed", _saw(last, "Both sides have sent Finished."), last)
    if sent_data["client"] and sent_data["server"]:
        data = handshake.first("application_data")
        return End("established", "observed", _saw(data, "Both sides send application data."), data)
    return _not_established(handshake) or _incomplete(handshake)


def _finished(handshake: Handshake, sender: Sender) -> Sent | None:
    """The Finished of one side: in clear, decrypted, or the first encrypted record behind ChangeCipherSpec."""
    switched = False
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
        return End("failed", "inferred", Evidence(inference.reasons[-1].frame, "client", None, says))
    if inference.accepted is False and done is not None:
        says = "The server answered the client's flight with an encrypted alert and nothing else."
        return End("failed", "inferred", Evidence(inference.reasons[-1].frame, "server", None, says), done)
    if inference.accepted:
        return End("established", "inferred", _saw(done, "The server went on after the client's flight."), done)
    if done is not None:
        return _judge_silence(handshake, inference, done)
    return _not_established(handshake) or _incomplete(handshake)


def _judge_silence(handshake: Handshake, inference: Inference, done: Sent) -> End:
    """The client finished, and nothing protected came from the server behind it."""
    closing = next((c for c in handshake.closings if c[2] >= done.frame), None)
    later = [s for s in handshake.sent if s.sender == "client" and s.frame >= done.frame and s is not done]
    requests = [s for s in later if s.name == "application_data" and not _like_alert(s, inference)]
    if closing is None:
        if requests:
            return End(
                "established", "inferred", _saw(done, "The client has finished and sends application data."), done
            )
        return End("incomplete", None, _saw(done, "The capture ends with the client's flight."), done)
    sender, how, frame, _ = closing
    if sender == "server" and inference.answer in ("presented", "declined"):
        says = f"The server left ({how.upper()}) right after the client's flight, without a ticket or data."
        return End("failed", "inferred", Evidence(frame, "server", None, says), done)
    if sender == "server" and how == "rst":
        return End("failed", "inferred", Evidence(frame, "server", None, "The server reset the connection."), done)
    return End("established", "inferred", _saw(done, "The client has finished."), done)


def _like_alert(sent: Sent, inference: Inference) -> bool:
    return sent.length in (11, 14, 19, 35)


def _judge_decrypted(handshake: Handshake, finished: Sent) -> End:
    """TLS 1.3 with keys: nothing after the client's Finished may take it back."""
    refusal = _fatal_alert(handshake)
    if refusal is not None:
        return _failed_by(refusal)
    return End("established", "decrypted", _saw(finished, "Both sides have sent Finished."), finished)


def _not_established(handshake: Handshake) -> End | None:
    """Failed, where an alert or an early end says so."""
    refusal = _fatal_alert(handshake)
    if refusal is not None:
        return _failed_by(refusal)
    warning = next((alert for alert in handshake.alerts if alert.level is not None), None)
    if handshake.closings:
        sender, how, frame, _ = handshake.closings[0]
        what = "reset the connection" if how == "rst" else "closed the connection"
        says = f"The {sender} {what} before the handshake was complete."
        if warning is not None and warning.description:
            says += f" The {warning.sender} had sent the alert {alert_description(warning.description)}."
        if handshake.has_hole():
            # What is missing may have been the rest of the handshake.
            return None
        return End("failed", "observed", Evidence(frame, sender, None, says))
    return None


def _fatal_alert(handshake: Handshake) -> Alert | None:
    return next((alert for alert in handshake.alerts if alert.fatal), None)


def _failed_by(alert: Alert) -> End:
    description = alert_description(alert.description) if alert.description is not None else "encrypted"
    says = f"The {alert.sender} ended it with the fatal alert {description}."
    return End("failed", "observed", Evidence(alert.frame, alert.sender, "alert", says))


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
