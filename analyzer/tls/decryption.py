"""When do the keys of a connection change, and which of its records do they open?

In TLS 1.3 each direction passes through epochs (RFC 8446, section 2): [early data,] handshake, application data; a
KeyUpdate begins another. Up to TLS 1.2 each ChangeCipherSpec begins one (RFC 5246, section 7.1). A record that the
present keys do not open is tried with those of the epochs to come: the message that changes them may be missing.
"""

from typing import NamedTuple

from analyzer.results import Sender
from analyzer.tls import protection
from analyzer.tls.agreed_keys import agreed_tls12, agreed_tls13, decryption_of
from analyzer.tls.handshake import Handshake, Sent
from analyzer.tls.keyring import Keyring
from analyzer.tls.keyschedule import next_traffic_secret
from analyzer.tls.protection import Plain, Protection, Unsupported
from analyzer.tls.record import APPLICATION_DATA, Record

_EARLY = "CLIENT_EARLY_TRAFFIC_SECRET"
_EPOCHS: dict[Sender, tuple[str, ...]] = {
    "client": (_EARLY, "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0"),
    "server": ("SERVER_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"),
}
_TRIES = 64
"""So many numbers are tried for a record behind a hole, since how many records it swallowed is not known."""
_MOST_TRIES = 64 * _TRIES
_MOST_CLOSED = 256
"""After so many records on end that stayed closed, no other will open."""


class _Epoch(NamedTuple):
    label: str
    """The key log's, of TLS 1.3."""
    secret: bytes
    protection: Protection


class _Direction:
    """What opens the records of one direction."""

    __slots__ = ("closed", "early", "epochs", "lost", "tries")

    def __init__(self) -> None:
        self.epochs: list[_Epoch] = []
        """The present one and those to come, as far as their secrets are known."""
        self.lost = False
        """Records are missing, so that the next one's number is not known."""
        self.tries = _MOST_TRIES
        self.closed = 0
        """Records on end that stayed closed."""
        self.early = 0
        """Records before the ServerHello: 0-RTT data."""


class Decryptor:
    """Follows the epochs of one connection."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._directions = [_Direction(), _Direction()]

    def has_keys(self, direction: int) -> bool:
        """Whether there is anything to open records of this direction with, now or later."""
        return bool(self._directions[direction].epochs)

    def open(self, handshake: Handshake, event: Record) -> Plain | None:
        """What a protected record holds; None where it stays closed."""
        direction = self._directions[event.direction]
        if not direction.epochs:
            if handshake.server_hello is None:
                direction.early += event.type == APPLICATION_DATA
            else:
                decryption_of(handshake).closed += 1
            return None
        tries = _TRIES if direction.lost and direction.tries > 0 else 1
        for at, epoch in enumerate(direction.epochs):
            if tries > 1:
                direction.tries -= tries
            plain = epoch.protection.open(event, tries)
            if plain is not None:
                del direction.epochs[:at]
                direction.lost = False
                direction.closed = 0
                decryption_of(handshake).opened += 1
                return plain
        decryption_of(handshake).closed += 1
        if not self._may_be_early(handshake, event):
            self.pass_over(event)
            direction.closed += 1
            if direction.closed == _MOST_CLOSED:
                direction.epochs.clear()
        return None

    def pass_over(self, event: Record) -> None:
        """A protected record need not be opened, but counts."""
        direction = self._directions[event.direction]
        if direction.epochs:
            direction.epochs[0].protection.pass_over(event)
            direction.lost = direction.lost or event.fragment is None

    def lose(self, direction: int) -> None:
        """Records are missing."""
        self._directions[direction].lost = True

    def after(self, handshake: Handshake, sent: Sent, direction: int) -> None:
        """Change keys as a message of TLS 1.3 says."""
        if not handshake.is_tls13:
            return
        epochs = self._directions[direction].epochs
        match sent.name:
            case "server_hello":
                self._begin_tls13(handshake)
            case "end_of_early_data":
                epochs[:] = [epoch for epoch in epochs if epoch.label != _EARLY]
            case "finished":
                epochs[:] = [epoch for epoch in epochs if epoch.label.endswith("_0")]
            case "key_update" if epochs and handshake.suite is not None:
                secret = next_traffic_secret(epochs[0].secret, handshake.suite)
                epochs[0] = _Epoch(epochs[0].label, secret, protection.tls13(secret, handshake.suite))

    def change_cipher_spec(self, handshake: Handshake, direction: int) -> None:
        """SSL 3.0 to TLS 1.2: what follows in this direction has the keys that were negotiated."""
        self._directions[direction] = changed = _Direction()
        try:
            changed.epochs.append(self._tls12(handshake, handshake.sender(direction)))
        except Unsupported as why:
            decryption_of(handshake).reason = str(why)

    def _tls12(self, handshake: Handshake, sender: Sender) -> _Epoch:
        keys, suite, version, answer = agreed_tls12(handshake, self._keyring, sender)
        etm, truncated = bool(answer.encrypt_then_mac), bool(answer.truncated_hmac)
        opened = protection.tls12(keys, suite, version, encrypt_then_mac=etm, truncated_mac=truncated)
        return _Epoch("", b"", opened)

    def _begin_tls13(self, handshake: Handshake) -> None:
        """From the ServerHello on, both directions are protected."""
        state = decryption_of(handshake)
        try:
            suite = agreed_tls13(handshake, self._keyring)
            if suite is None:
                return
            for number, direction in enumerate(self._directions):
                for label in _EPOCHS[handshake.sender(number)]:
                    secret = state.traffic.get(label)
                    if secret is not None:
                        direction.epochs.append(_Epoch(label, secret, protection.tls13(secret, suite)))
                if direction.epochs and direction.epochs[0].label == _EARLY:
                    direction.epochs[0].protection.sequence = direction.early
        except Unsupported as why:
            state.reason = str(why)

    def _may_be_early(self, handshake: Handshake, event: Record) -> bool:
        """Whether it may be 0-RTT data that the server passes over (RFC 8446, section 4.2.10)."""
        hello = handshake.client_hello
        if hello is None or not hello.early_data or handshake.sender(event.direction) != "client":
            return False
        return self._directions[event.direction].epochs[0].label == "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
