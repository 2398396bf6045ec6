"""What confers the server's identity in this handshake, and what the client's?

A certificate alone says nothing: anybody can send it. Its holder must sign, decrypt or agree with its key.
"""

from analyzer.results import Evidence, ProofReport
from analyzer.tls.handshake import Handshake
from analyzer.tls.proofs import KEY_TRANSPORT
from analyzer.tls.registry import Suite


def identity(
    handshake: Handshake, proofs: list[ProofReport], *, presented: bool | None, resumed: bool
) -> list[Evidence]:
    """In words; nothing where the handshake stopped before anybody could prove anything.

    `presented` says whether the client sent a certificate, `resumed` whether an earlier session goes on.
    """
    suite, answer = handshake.suite, handshake.server_hello
    if suite is None or answer is None:
        return []
    if resumed or answer.selected_psk is not None:
        secret = "a secret from before, of an earlier session or shared"
        return [_says(f"Either side shows who it is by knowing {secret}{_knows(proofs)}.")]
    if suite.authentication == "PSK":
        return [_says(f"Either side shows who it is by knowing the pre-shared key{_knows(proofs)}.")]
    if suite.authentication == "anonymous":
        return [_says("Nothing shows who the server is: the key exchange is anonymous.")]
    words = [
        Evidence(proof.frame, proof.of, None, f"{_rests_on(proof, suite)}: {_holds(proof)}.")
        for proof in proofs
        if proof.message != "finished" or (proof.of == "server" and suite.key_exchange in KEY_TRANSPORT)
    ]
    if words and presented is False:
        words.append(_says("Nothing in this handshake shows who the client is."))
    return words


def _rests_on(proof: ProofReport, suite: Suite) -> str:
    match proof.message:
        case "server_key_exchange":
            what = "signing the key exchange"
        case "certificate_verify":
            what = "signing all messages before"
        case _:
            does = "decrypt" if suite.key_exchange.startswith("RSA") else "compute"
            what = f"being able to {does} the pre-master secret"
    return f"The {proof.of} shows who it is by {what} with its certificate's key"


def _holds(proof: ProofReport) -> str:
    match proof.status:
        case "pass":
            return f"verified ({proof.algorithm})" if proof.algorithm else "verified"
        case "fail":
            return f"this fails, {proof.reason}"
    return f"not checked, {proof.reason}"


def _knows(proofs: list[ProofReport]) -> str:
    """What the Finished of both sides say of the secret from which their own follow; nothing where they stay closed."""
    finished = {proof.of: proof for proof in proofs if proof.message == "finished" and proof.status != "undetermined"}
    if any(proof.status == "fail" for proof in finished.values()):
        return ": this fails, a Finished is not the MAC of the messages before"
    return ": verified, the Finished of both hold" if len(finished) == 2 else ""


def _says(words: str) -> Evidence:
    return Evidence(None, None, None, words)
