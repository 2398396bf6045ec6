"""One side ended the handshake with an alert, and the alert is all that is known.

What it means: The alert says in one word what the sender found; which of the many reasons for that word it was stands
in its log.

On the wire: A fatal alert, in clear or encrypted.

Client's owner: If the client sent it, its log says more; if the server did, compare with a client that succeeds.

Server's owner: If the server sent it, its log says more.

References: RFC 8446, section 6.2; RFC 5246, section 7.2.2.
"""

from analyzer.diagnosis.case import OTHER, Case
from analyzer.diagnosis.faults import sentence
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = None
SPECIFICITY = 0
WHEN = ("failed",)

_MEANINGS = {
    "unexpected_message": "a message came where another one was due: one side is not what the other takes it for",
    "bad_record_mac": "a record could not be decrypted: bytes were changed on the way, or one side computes wrong keys",
    "record_overflow": "a record was longer than allowed",
    "handshake_failure": "no acceptable set of parameters was found",
    "illegal_parameter": "a field contradicts another, or is out of its range",
    "decode_error": "a message could not be read: it is cut off or wrongly encoded",
    "decrypt_error": "a signature or a Finished did not verify",
    "internal_error": "something failed that has nothing to do with the peer",
    "user_canceled": "a person or program gave up",
    "inappropriate_fallback": "the client retried with an older version than the server's best (RFC 7507)",
    "missing_extension": "a hello lacks an extension that is mandatory",
    "unsupported_extension": "a hello has an extension that was not offered",
    "unknown_psk_identity": "the server does not know the pre-shared key",
    "certificate_required": "the server insists on a client certificate",
    "insufficient_security": "the server wants stronger parameters than the client offers",
}


def judge(case: Case) -> Judgment | None:
    """A fatal alert."""
    ending = case.ending
    if ending.sender is None or ending.how not in ("alert", "encrypted-alert"):
        return None
    meaning = _MEANINGS.get(ending.alert or "")
    said = f"{sentence(case.name(ending.sender))} {ending.words}" + (f": {meaning}." if meaning else ".")
    advice = {
        ending.sender: "look into its log for the reason.",
        OTHER[ending.sender]: "compare with one that succeeds.",
    }
    return Judgment(
        confidence="certain",
        summary=said,
        remedy=advise(
            client=advice["client"],
            server=advice["server"],
            confirm=f"the display filter `{case.see(ending)[0].display_filter}` shows the alert.",
        ),
        evidence=case.see(ending),
    )
