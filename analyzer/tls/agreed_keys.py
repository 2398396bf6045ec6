"""Which keys have both sides of a handshake agreed on, as far as the user's secrets tell? For TLS, DTLS and QUIC."""

from hashlib import algorithms_available
from typing import NamedTuple

from analyzer.results import Sender
from analyzer.tls import messages, protection
from analyzer.tls.handshake import Decryption, Handshake
from analyzer.tls.keyring import Keyring
from analyzer.tls.keyschedule import DirectionKeys, key_block
from analyzer.tls.protection import Unsupported
from analyzer.tls.registry import Suite


class Agreed(NamedTuple):
    """What opens the records of one side, up to TLS 1.2."""

    keys: DirectionKeys
    suite: Suite
    version: int
    answer: messages.ServerHello


def decryption_of(handshake: Handshake) -> Decryption:
    """How far secrets open the handshake, noted from now on if it was not before."""
    if handshake.decryption is None:
        handshake.decryption = Decryption()
    return handshake.decryption


def agreed_tls12(handshake: Handshake, keyring: Keyring, sender: Sender) -> Agreed:
    """The keys of one side behind its ChangeCipherSpec; raises `Unsupported` where they are not known."""
    hello, answer = handshake.client_hello, handshake.server_hello
    suite, version = handshake.suite, handshake.version
    if hello is None or answer is None or suite is None or version is None:
        raise Unsupported("the hellos are not in the capture")
    state = decryption_of(handshake)
    if state.master is None:
        found = keyring.master_secret(handshake)
        if isinstance(found, str):
            raise Unsupported(found)
        state.master = found
    keyring.remember(handshake, state.master)
    _require_known_hash(suite)
    if answer.compression_method:
        raise Unsupported("cannot decrypt: the records are compressed")
    length = protection.fixed_iv_length(suite, version)
    keys = key_block(state.master, hello.random, answer.random, version, suite, length)[sender]
    return Agreed(keys, suite, version, answer)


def agreed_tls13(handshake: Handshake, keyring: Keyring) -> Suite | None:
    """Note the traffic secrets of TLS 1.3; returns the suite that they are for, None where there are none.

    Raises `Unsupported` where they open nothing.
    """
    state, suite = decryption_of(handshake), handshake.suite
    state.traffic = keyring.traffic_secrets(handshake)
    state.reason = None if state.traffic else "no secret of its client random"
    if not state.traffic:
        return None
    if suite is None:
        raise Unsupported("cannot decrypt: unknown cipher suite")
    _require_known_hash(suite)
    return suite


def _require_known_hash(suite: Suite) -> None:
    if suite.hash.lower() not in algorithms_available:
        raise Unsupported(f"cannot decrypt: {suite.hash}")
