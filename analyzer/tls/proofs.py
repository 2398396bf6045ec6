"""What proves the identity of server and client, and does the proof hold?

From cleartext alone: the server's signature of its key exchange (RFC 5246, section 7.4.3) and the client's of the
transcript (section 7.4.8). A signature that does not verify is `fail` only where the capture surely holds all that
it covers.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from analyzer.results import ProofReport, Sender
from analyzer.tls import messages
from analyzer.tls.handshake import Handshake, Sent
from analyzer.tls.registry import Suite
from analyzer.tls.signatures import Verification, verify
from analyzer.tls.transcript import covered, lacks

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    KeyOf = Callable[[bytes], PublicKeyTypes | str]
    """Loads the public key of what a Certificate's entry holds; words where it cannot."""

_SSL3 = 0x0300
KEY_TRANSPORT = frozenset(("RSA", "RSA_PSK", "DH", "ECDH"))
"""Key exchanges in which the key of the server's certificate decrypts or agrees, and signs nothing."""


def proofs(handshake: Handshake, key_of: "KeyOf", *, presented: bool = False) -> list[ProofReport]:
    """Each signature that the capture holds, checked; `presented`: the client sent a certificate, if only inferred."""
    if handshake.server_hello is None or handshake.suite is None or handshake.version is None:
        return []
    if handshake.is_tls13:
        return _tls13(handshake, presented)
    return _tls12(handshake, handshake.suite, handshake.version, key_of)


def _tls13(handshake: Handshake, presented: bool) -> list[ProofReport]:
    """All of them are encrypted; none is there where a pre-shared key stands for the certificate."""
    if handshake.server_hello is None or handshake.server_hello.selected_psk is not None:
        return []
    if not handshake.application_data["server"]:
        return []
    says = "it is encrypted, and no secrets open it"
    senders: list[Sender] = ["server", "client"] if presented else ["server"]
    return [ProofReport(sender, "certificate_verify", "undetermined", None, None, says) for sender in senders]


def _tls12(handshake: Handshake, suite: Suite, version: int, key_of: "KeyOf") -> list[ProofReport]:
    found: list[ProofReport] = []
    exchange = handshake.first("server_key_exchange", "server")
    if exchange is not None:
        checked = _server_key_exchange(handshake, exchange, suite, version, key_of)
        if checked is not None:
            found.append(_report("server", exchange, checked))
    if suite.key_exchange in KEY_TRANSPORT and handshake.first("client_key_exchange", "client"):
        says = "only the server's Finished shows that it has the secret; that is encrypted, and no secrets open it"
        found.append(ProofReport("server", "finished", "undetermined", None, None, says))
    signed = handshake.first("certificate_verify", "client")
    if signed is not None:
        found.append(_report("client", signed, _certificate_verify(handshake, signed, version, key_of)))
    return found


def _report(of: Sender, sent: Sent, checked: Verification) -> ProofReport:
    return ProofReport(of, sent.name, checked.status, checked.algorithm, sent.frame, checked.reason)


def _server_key_exchange(
    handshake: Handshake, sent: Sent, suite: Suite, version: int, key_of: "KeyOf"
) -> Verification | None:
    """The signature of both randoms and the parameters; None where nothing is signed."""
    if not isinstance(sent.message, messages.ServerKeyExchange):
        return None
    said = sent.message.parameters(suite, version)
    hello, answer = handshake.client_hello, handshake.server_hello
    missing = lacks(handshake, sent)
    if isinstance(said, messages.MalformedMessage):
        return _doubt(Verification("fail", None, f"it is malformed: {said.reason}"), missing)
    if said.signature is None:
        return None
    if hello is None or answer is None:
        return Verification("undetermined", None, missing)
    content = hello.random + answer.random + said.signed
    return _doubt(_signature(handshake, "server", said.signature_scheme, content, said.signature, key_of), missing)


def _certificate_verify(handshake: Handshake, sent: Sent, version: int, key_of: "KeyOf") -> Verification:
    """The client's signature of all messages before."""
    missing = lacks(handshake, sent)
    match sent.message:
        case messages.MalformedMessage(reason=reason):
            return _doubt(Verification("fail", None, f"it is malformed: {reason}"), missing)
        case messages.CertificateVerify(signature_scheme=scheme, signature=signature) if version != _SSL3:
            content = covered(handshake, sent)
            return _doubt(_signature(handshake, "client", scheme, content, signature, key_of), missing)
    return Verification("undetermined", None, "in SSL 3.0 it covers the master secret as well, which is not known")


def _signature(
    handshake: Handshake, signer: Sender, scheme: int | None, content: bytes, signature: bytes, key_of: "KeyOf"
) -> Verification:
    """Check a signature with the key of the signer's certificate."""
    sent = handshake.find(messages.Certificate, signer)
    if sent is None or not sent.entries:
        return Verification("undetermined", None, f"the {signer}'s certificate is not in the capture")
    key = key_of(sent.entries[0].data)
    if isinstance(key, str):
        return Verification("undetermined", None, key)
    return verify(key, scheme, content, signature)


def _doubt(checked: Verification, missing: str | None) -> Verification:
    """Where the capture may lack something of what is signed, a failure says nothing."""
    if checked.status == "fail" and missing is not None:
        return Verification("undetermined", checked.algorithm, missing)
    return checked
