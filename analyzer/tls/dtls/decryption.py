"""Which keys open a record of DTLS? Its epoch says so.

Up to DTLS 1.2 each ChangeCipherSpec begins an epoch (RFC 6347, section 4.1). In DTLS 1.3 early data are in epoch 1,
the handshake in 2, what follows in 3, and each KeyUpdate begins another (RFC 9147, section 6.1).
"""

from analyzer.results import Sender
from analyzer.tls.agreed_keys import agreed_tls12, agreed_tls13, decryption_of
from analyzer.tls.dtls.protection import Dtls12, Dtls13
from analyzer.tls.dtls.record import UNIFIED, DtlsRecord
from analyzer.tls.handshake import Handshake, Sent
from analyzer.tls.keyring import Keyring
from analyzer.tls.keyschedule import DTLS13_PREFIX, next_traffic_secret
from analyzer.tls.protection import Plain, Unsupported

_LABELS: dict[Sender, dict[int, str]] = {
    "client": {
        1: "CLIENT_EARLY_TRAFFIC_SECRET",
        2: "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        3: "CLIENT_TRAFFIC_SECRET_0",
    },
    "server": {2: "SERVER_HANDSHAKE_TRAFFIC_SECRET", 3: "SERVER_TRAFFIC_SECRET_0"},
}
_FIRST_OF_DATA = 3


class _Direction:
    """What opens the records of one direction."""

    __slots__ = ("epochs", "latest", "secret")

    def __init__(self) -> None:
        self.epochs: dict[int, Dtls12 | Dtls13] = {}
        self.latest = 0
        """The last epoch that has begun, of data in DTLS 1.3."""
        self.secret = b""
        """Its secret, in DTLS 1.3."""


class DtlsDecryptor:
    """Follows the epochs of one association."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self.restart()

    def restart(self) -> None:
        """Another association begins between the same ends."""
        self._directions = (_Direction(), _Direction())

    def open(self, handshake: Handshake, direction: int, record: DtlsRecord) -> Plain | None:
        """What a protected record holds; None where it stays closed."""
        state = decryption_of(handshake)
        epochs = self._directions[direction].epochs
        plain = None
        if record.type == UNIFIED:
            # Of the epoch a record shows the last two bits: the latest that ends so is likelier.
            fitting = sorted((epoch for epoch in epochs if epoch & 3 == record.epoch), reverse=True)
            for epoch in fitting:
                plain = epochs[epoch].open(record)
                if plain is not None:
                    break
        else:
            if record.epoch not in epochs:
                self._begin(handshake, direction, record.epoch)
            if record.epoch in epochs:
                plain = epochs[record.epoch].open(record)
        if plain is None:
            state.closed += 1
        else:
            state.opened += 1
        return plain

    def after(self, handshake: Handshake, sent: Sent, direction: int) -> None:
        """Take new keys as a message of DTLS 1.3 says."""
        if not handshake.is_tls13:
            return
        if sent.name == "server_hello":
            self._begin_tls13(handshake)
        elif sent.name == "key_update":
            self._update(handshake, direction)

    def _begin(self, handshake: Handshake, direction: int, epoch: int) -> None:
        """Up to DTLS 1.2: an epoch has the keys that were negotiated last."""
        changed = self._directions[direction]
        if epoch != changed.latest + 1 or handshake.is_tls13:
            return
        state = decryption_of(handshake)
        try:
            changed.epochs[epoch] = self._tls12(handshake, handshake.sender(direction))
            changed.latest = epoch
        except Unsupported as why:
            state.reason = str(why)

    def _tls12(self, handshake: Handshake, sender: Sender) -> Dtls12:
        keys, suite, version, answer = agreed_tls12(handshake, self._keyring, sender)
        return Dtls12(keys, suite, version, encrypt_then_mac=bool(answer.encrypt_then_mac))

    def _begin_tls13(self, handshake: Handshake) -> None:
        """From the ServerHello on, both directions are protected."""
        state = decryption_of(handshake)
        try:
            suite = agreed_tls13(handshake, self._keyring)
            if suite is None:
                return
            for number, direction in enumerate(self._directions):
                for epoch, label in _LABELS[handshake.sender(number)].items():
                    secret = state.traffic.get(label)
                    if secret is not None:
                        direction.epochs[epoch] = Dtls13(secret, suite)
                        direction.latest, direction.secret = epoch, secret
        except Unsupported as why:
            state.reason = str(why)

    def _update(self, handshake: Handshake, direction: int) -> None:
        """A KeyUpdate: the next epoch's secret follows from the present one's."""
        updated, suite = self._directions[direction], handshake.suite
        if suite is None or updated.latest < _FIRST_OF_DATA:
            return
        updated.secret = next_traffic_secret(updated.secret, suite, DTLS13_PREFIX)
        updated.latest += 1
        updated.epochs[updated.latest] = Dtls13(updated.secret, suite)
        if len(updated.epochs) > _MOST_EPOCHS:
            del updated.epochs[min(updated.epochs)]


_MOST_EPOCHS = 8
