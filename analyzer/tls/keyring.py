"""Which secrets are known of a handshake: from key logs, from the server's private key, from the session it resumes?"""

from collections import OrderedDict
from collections.abc import Iterable
from hashlib import algorithms_available
from typing import TYPE_CHECKING

from analyzer.tls import messages
from analyzer.tls.handshake import Handshake
from analyzer.tls.keylog import KeyLog
from analyzer.tls.keyschedule import extended_master_secret, master_secret
from analyzer.tls.transcript import covered, lacks

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_SESSIONS = 20_000
_PRE_MASTER = 48


class Keyring:
    """All secrets that the user has given; neither its text nor its errors show them."""

    def __init__(self, log: KeyLog | None = None, private_keys: Iterable["RSAPrivateKey"] = ()) -> None:
        """`private_keys` are servers'; they open handshakes with RSA key exchange (RFC 5246, section 7.4.7.1)."""
        self.embedded = KeyLog()
        """What the capture brings along."""
        self.asked = self.matched = 0
        """For how many handshakes secrets were looked for, and found."""
        self._logs = (log or KeyLog(), self.embedded)
        self._private_keys = {_modulus(key): key for key in private_keys}
        self._sessions: OrderedDict[bytes, bytes] = OrderedDict()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return any(self._logs) or bool(self._private_keys)

    def __repr__(self) -> str:
        return f"<Keyring of {self._logs} and {len(self._private_keys)} private keys>"

    def logged(self, client_random: bytes) -> dict[str, bytes]:
        """What the key logs say of a connection, by label; the user's own log outweighs what the capture brings."""
        return {label: secret for log in reversed(self._logs) for label, secret in log.find(client_random).items()}

    def traffic_secrets(self, handshake: Handshake) -> dict[str, bytes]:
        """The secrets of a handshake of TLS 1.3, by the key log's labels."""
        found = self.logged(handshake.client_hello.random) if handshake.client_hello else {}
        self.asked += 1
        self.matched += bool(found)
        return found

    def master_secret(self, handshake: Handshake) -> bytes | str:
        """The master secret of a handshake up to TLS 1.2; words where it is not known."""
        found = self._master_secret(handshake)
        self.asked += 1
        self.matched += isinstance(found, bytes)
        return found

    def _master_secret(self, handshake: Handshake) -> bytes | str:
        hello, answer = handshake.client_hello, handshake.server_hello
        if hello is None or answer is None:
            return "the hellos are not in the capture"
        logged = self.logged(hello.random)
        if "CLIENT_RANDOM" in logged:
            return logged["CLIENT_RANDOM"]
        if handshake.first("client_key_exchange", "client") is None:
            return self._resumed(hello, answer)
        pre_master = logged.get("PMS_CLIENT_RANDOM") or self._pre_master(handshake)
        return pre_master if isinstance(pre_master, str) else _master(handshake, pre_master)

    def remember(self, handshake: Handshake, master: bytes) -> None:
        """Note by what a session can be resumed: its id, and its tickets."""
        names = [handshake.server_hello.session_id] if handshake.server_hello else []
        for sent in handshake.sent:
            if isinstance(sent.message, messages.NewSessionTicket):
                names.append(sent.message.ticket)
        for name in filter(None, names):
            self._sessions[name] = master
            self._sessions.move_to_end(name)
        while len(self._sessions) > _SESSIONS:
            self._sessions.popitem(last=False)

    def _resumed(self, hello: messages.ClientHello, answer: messages.ServerHello) -> bytes | str:
        master = next((found for log in self._logs if (found := log.master(answer.session_id))), None)
        if master is None and answer.session_id == hello.session_id:
            master = self._sessions.get(hello.session_id)
        if master is None and hello.session_ticket:
            master = self._sessions.get(hello.session_ticket)
        return master or "no secret of its client random, and none of the session that it resumes"

    def _pre_master(self, handshake: Handshake) -> bytes | str:
        """What the client encrypted to the server's key."""
        suite, version = handshake.suite, handshake.version
        exchange = handshake.find(messages.ClientKeyExchange, "client")
        if suite is None or version is None or exchange is None:
            return "its key exchange cannot be read"
        if suite.key_exchange != "RSA":
            return "no secret of its client random" + (
                f"; with {suite.key_exchange} a private key is of no use" if self._private_keys else ""
            )
        content = exchange.parameters(suite, version)
        if isinstance(content, messages.MalformedMessage):
            return "its key exchange cannot be read"
        encrypted = content.encrypted_pre_master_secret
        for log in self._logs:
            if (logged := log.pre_master(encrypted)) is not None:
                return logged
        key = self._private_key(handshake)
        if key is None:
            return "no secret of its client random" + (
                ", and no private key of the server's certificate" if self._private_keys else ""
            )
        return _decrypt(key, encrypted) or "the pre-master secret cannot be decrypted"

    def _private_key(self, handshake: Handshake) -> "RSAPrivateKey | None":
        """The one whose modulus the server's certificate holds."""
        certificate = handshake.find(messages.Certificate, "server")
        if certificate is None or not certificate.entries:
            return None
        encoded = certificate.entries[0].data
        return next((key for modulus, key in self._private_keys.items() if modulus in encoded), None)


def _master(handshake: Handshake, pre_master: bytes) -> bytes | str:
    hello, answer, suite, version = (
        handshake.client_hello,
        handshake.server_hello,
        handshake.suite,
        handshake.version,
    )
    exchange = handshake.first("client_key_exchange", "client")
    if hello is None or answer is None or suite is None or version is None or exchange is None:
        return "its key exchange cannot be read"
    if suite.hash.lower() not in algorithms_available:
        return f"cannot decrypt: {suite.hash}"
    if not answer.extended_master_secret:
        return master_secret(pre_master, hello.random, answer.random, version, suite)
    missing = lacks(handshake, exchange)
    if missing is not None:
        return f"its master secret covers all messages, and {missing}"
    return extended_master_secret(pre_master, covered(handshake, exchange, including=True), version, suite)


def _modulus(key: "RSAPrivateKey") -> bytes:
    modulus = key.public_key().public_numbers().n
    return modulus.to_bytes(-(-modulus.bit_length() // 8))


def _decrypt(key: "RSAPrivateKey", encrypted: bytes) -> bytes | None:
    from cryptography.hazmat.primitives.asymmetric import padding

    try:
        pre_master = key.decrypt(encrypted, padding.PKCS1v15())
    except ValueError:
        return None
    return pre_master if len(pre_master) == _PRE_MASTER else None
