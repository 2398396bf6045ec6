"""What proves the identity of server and client, and does the proof hold?

Up to TLS 1.2 the server signs its key exchange (RFC 5246, section 7.4.3) and the client the transcript (section
7.4.8), both in clear; in TLS 1.3 both sign the transcript (RFC 8446, section 4.4.3), which only secrets open. With
them also the Finished of both sides are checked. What does not verify is `fail` only where the capture surely holds
all that is covered.

The binder of a pre-shared key is not among them: only the key itself would tell (RFC 8446, section 4.2.11.2), which no
key log holds and none of the logged secrets leads back to. That both sides have the key, their Finished show, whose
secrets follow from it.
"""

from collections.abc import Callable
from dataclasses import replace
from hashlib import algorithms_available, new
from hmac import compare_digest
from typing import TYPE_CHECKING

from analyzer.results import ProofReport, Sender
from analyzer.tls import keyschedule, messages
from analyzer.tls.handshake import Handshake, Sent
from analyzer.tls.key_exchange import SERVER_EXCHANGES
from analyzer.tls.keyschedule import SSL3, TLS12
from analyzer.tls.registry import Suite
from analyzer.tls.signatures import Verification, verify, verify_digest
from analyzer.tls.transcript import covered, lacks, transcript

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    KeyOf = Callable[[bytes], PublicKeyTypes | str]
    """Loads the public key of what a Certificate's entry holds; words where it cannot."""

KEY_TRANSPORT = frozenset(("RSA", "RSA_PSK", "DH", "ECDH"))
"""Key exchanges in which the key of the server's certificate decrypts or agrees, and signs nothing."""
_MOST = 16
"""So many CertificateVerify, or Finished, are checked: each costs a look at all messages before it."""
_SIDES: tuple[Sender, Sender] = ("server", "client")
_CLOSED = "it is encrypted, and no secrets open it"


def proofs(
    handshake: Handshake, key_of: "KeyOf", *, presented: bool = False, disputed: int | None = None
) -> list[ProofReport]:
    """Each signature and MAC, checked as far as can be.

    `presented` says that the client sent a certificate, even where that is only inferred; `disputed` is a frame that
    brought other bytes for a place than came before, so that nobody knows which of them the receiver took.
    """
    suite, version = handshake.suite, handshake.version
    if handshake.server_hello is None or suite is None or version is None:
        return []
    found: list[ProofReport] = []
    if not handshake.is_tls13:
        found += _key_exchange(handshake, suite, version, key_of)
    signed = [sent for sent in handshake.sent if sent.name == "certificate_verify"]
    for sent in signed[:_MOST]:
        found.append(_report(sent, _certificate_verify(handshake, sent, suite, version, key_of)))
    more = Verification("undetermined", None, f"there are more than {_MOST}, of which the first are checked")
    found += [_report(sent, more) for sent in signed[_MOST:]]
    if handshake.is_tls13:
        found += _closed_tls13(handshake, {sent.sender for sent in signed}, presented)
    found += _finished(handshake, suite, version)
    return found if disputed is None else [_disputed(proof, disputed) for proof in found]


def _disputed(proof: ProofReport, frame: int) -> ProofReport:
    reason = f"segments bring different bytes for one place (frame {frame})"
    return replace(proof, status="undetermined", reason=reason) if proof.status == "fail" else proof


def _report(sent: Sent, checked: Verification) -> ProofReport:
    return ProofReport(sent.sender, sent.name, checked.status, checked.algorithm, sent.frame, checked.reason)


def _doubted(checked: Verification, handshake: Handshake, sent: Sent) -> Verification:
    """Where the capture may lack something of what is covered, a failure says nothing."""
    missing = lacks(handshake, sent) if checked.status == "fail" else None
    return checked if missing is None else Verification("undetermined", checked.algorithm, missing)


# Signatures


def _key_exchange(handshake: Handshake, suite: Suite, version: int, key_of: "KeyOf") -> list[ProofReport]:
    """The server's signature of both randoms and its parameters, where the suite has one."""
    sent = handshake.first("server_key_exchange", "server")
    if sent is None or not isinstance(sent.message, messages.ServerKeyExchange):
        return []
    if suite.key_exchange not in SERVER_EXCHANGES:
        why = lacks(handshake, sent) or f"what it says is not known for key exchange {suite.key_exchange}"
        return [_report(sent, Verification("undetermined", None, why))]
    said = sent.message.parameters(suite, version)
    hello, answer = handshake.client_hello, handshake.server_hello
    if isinstance(said, messages.MalformedMessage):
        malformed = Verification("fail", None, f"it is malformed: {said.reason}")
        return [_report(sent, _doubted(malformed, handshake, sent))]
    if said.signature is None:
        return []
    if hello is None or answer is None:
        return [_report(sent, Verification("undetermined", None, lacks(handshake, sent)))]
    content = hello.random + answer.random + said.signed
    key = _key(handshake, sent, key_of)
    if isinstance(key, str):
        return [_report(sent, Verification("undetermined", None, key))]
    checked = verify(key, said.signature_scheme, content, said.signature)
    return [_report(sent, _doubted(checked, handshake, sent))]


def _certificate_verify(handshake: Handshake, sent: Sent, suite: Suite, version: int, key_of: "KeyOf") -> Verification:
    """One side's signature of all messages before."""
    if not isinstance(sent.message, messages.CertificateVerify):
        return _doubted(Verification("fail", None, "it is malformed"), handshake, sent)
    key = _key(handshake, sent, key_of)
    if isinstance(key, str):
        return Verification("undetermined", None, (lacks(handshake, sent) if handshake.is_tls13 else None) or key)
    if handshake.is_tls13 and suite.hash.lower() not in algorithms_available:
        return Verification("undetermined", None, lacks(handshake, sent))
    content = covered(handshake, sent)
    if version == SSL3:
        master = handshake.decryption.master if handshake.decryption else None
        if master is None:
            return Verification("undetermined", None, "in SSL 3.0 it covers the master secret, which is not known")
        digest = keyschedule.ssl3_digest(master, content)
        return _doubted(verify_digest(key, digest, sent.message.signature), handshake, sent)
    if handshake.is_tls13:
        context = b" " * 64 + f"TLS 1.3, {sent.sender} CertificateVerify".encode() + b"\0"
        content = context + new(suite.hash.lower(), content).digest()
    return _doubted(verify(key, sent.message.signature_scheme, content, sent.message.signature), handshake, sent)


def _key(handshake: Handshake, signed: Sent, key_of: "KeyOf") -> "PublicKeyTypes | str":
    """The public key of the certificate that the signer sent last; words where there is none."""
    certificate: messages.Certificate | None = None
    for sent in handshake.sent:
        if sent is signed:
            break
        if sent.sender == signed.sender:
            match sent.message:
                case messages.Certificate() as certificate:
                    pass
                case messages.CompressedCertificate(certificate=certificate, reason=reason):
                    if certificate is None:
                        return f"the {signed.sender}'s certificate cannot be read: {reason}"
    if certificate is None or not certificate.entries:
        return f"the {signed.sender}'s certificate is not in the capture"
    return key_of(certificate.entries[0].data)


def _closed_tls13(handshake: Handshake, signers: set[Sender], presented: bool) -> list[ProofReport]:
    """The signatures that must be there and stay encrypted; a pre-shared key stands for the certificates."""
    answer = handshake.server_hello
    if answer is None or answer.selected_psk is not None:
        return []
    if not handshake.application_data["server"] and handshake.first("encrypted_handshake", "server") is None:
        return []
    closed = [side for side in _SIDES if (side == "server" or presented) and side not in signers]
    return [ProofReport(side, "certificate_verify", "undetermined", None, None, _CLOSED) for side in closed]


# Finished


def _finished(handshake: Handshake, suite: Suite, version: int) -> list[ProofReport]:
    """Both sides' MACs of the transcript, as far as secrets open them."""
    found: list[ProofReport] = []
    whole = transcript(handshake) if handshake.decryption is not None else []
    ends = [(one, one.message) for one in whole if isinstance(one.message, messages.Finished)]
    for sent, message in ends[:_MOST]:
        expected = _verify_data(handshake, sent, suite, version)
        if expected is not None:
            found.append(_report(sent, _mac(handshake, sent, message, expected, suite, version)))
    key_transport = suite.key_exchange in KEY_TRANSPORT and handshake.first("client_key_exchange", "client")
    if key_transport and not any(proof.of == "server" for proof in found):
        says = f"only the server's Finished shows that it has the secret; {_CLOSED}"
        found.append(ProofReport("server", "finished", "undetermined", None, None, says))
    return found


def _verify_data(handshake: Handshake, sent: Sent, suite: Suite, version: int) -> bytes | None:
    """What the Finished must hold; None where the secret for it is not known."""
    secrets = handshake.decryption
    if secrets is None or suite.hash.lower() not in algorithms_available:
        return None
    if handshake.is_tls13:
        secret = secrets.traffic.get(f"{sent.sender.upper()}_HANDSHAKE_TRAFFIC_SECRET")
        if secret is None:
            return None
        prefix = keyschedule.DTLS13_PREFIX if handshake.is_dtls else keyschedule.TLS13_PREFIX
        return keyschedule.finished_tls13(secret, covered(handshake, sent), suite, prefix)
    if secrets.master is None:
        return None
    return keyschedule.finished(secrets.master, sent.sender, covered(handshake, sent), version, suite)


def _mac(
    handshake: Handshake, sent: Sent, message: messages.Finished, expected: bytes, suite: Suite, version: int
) -> Verification:
    name = suite.hash.lower() if version >= TLS12 else "md5_sha1"
    if compare_digest(message.verify_data, expected):
        return Verification("pass", name)
    return _doubted(Verification("fail", name, "it is not the MAC of the messages before"), handshake, sent)
