"""In which order were messages sent, in the letters of Zeek's `ssl_history`?

The letters are those that Zeek documents for its ssl.log; the client's are capital. Like Zeek, the history tells
what is in clear and ends where both sides have changed to ciphertext: at the first record that only the new keys open.
So it is the same with and without keys. Zeek's letter `B` (heartbeats) does not occur.
"""

from analyzer.tls.handshake import Handshake

_LETTERS = {
    "hello_request": "h",
    "client_hello": "c",
    "server_hello": "s",
    "hello_verify_request": "v",
    "new_session_ticket": "t",
    "certificate": "x",
    "server_key_exchange": "k",
    "certificate_request": "r",
    "server_hello_done": "n",
    "certificate_verify": "y",
    "client_key_exchange": "g",
    "finished": "f",
    "certificate_url": "w",
    "certificate_status": "u",
    "supplemental_data": "a",
    "change_cipher_spec": "i",
    "end_of_early_data": "e",
    "encrypted_extensions": "o",
    "key_update": "p",
    "message_hash": "m",
    "hello_retry_request": "j",
    "alert": "l",
}
_UNASSIGNED = "z"
_FLIPPED = "^"
_LONGEST = 100
"""Letters; Zeek's own default."""


def history(handshake: Handshake, opener: int | None) -> str:
    """The letters of one handshake; `opener` is the direction that opened the connection, where that is known."""
    letters = [_FLIPPED] if opener not in (None, handshake.client_direction) else []
    switched = set()
    for sent in handshake.sent:
        if sent.protection != "cleartext":
            switched.add(sent.sender)
            if len(switched) == 2:
                break
            continue
        letter = _LETTERS.get(sent.name, _UNASSIGNED)
        letters.append(letter.upper() if sent.sender == "client" else letter)
        if sent.name == "change_cipher_spec":
            switched.add(sent.sender)
    return "".join(letters[:_LONGEST])
