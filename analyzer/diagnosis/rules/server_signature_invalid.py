"""The server's signature over the handshake does not verify with the key of its certificate.

What it means: The server does not have the private key of the certificate that it shows (key and certificate files do
not belong together, or a load balancer's node has another one), its signer is broken, or somebody changed the bytes on
their way.

On the wire: decrypt_error (OpenSSL, Go, rustls), handshake_failure or bad_certificate right after ServerKeyExchange or
CertificateVerify; and the signature, computed anew from the capture, fails.

Client's owner: Nothing: do not connect.

Server's owner: Compare the public keys of certificate and private key on every node, and update the driver of a
hardware key store.

References: RFC 5246, section 7.4.3; RFC 8446, sections 4.4.3 and 6.2.
"""

from analyzer.diagnosis import faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "server-authentication"
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """A proof of the server fails, or the client says decrypt_error."""
    signatures = [proof for proof in case.report.proofs if proof.of == "server" and proof.message != "finished"]
    failing = next((proof for proof in signatures if proof.status == "fail"), None)
    verified = any(proof.status == "pass" for proof in signatures)
    sure = faults.confidence(case, "server", "signature", True if failing else False if verified else None)
    if sure is None:
        return None
    remedy = advise(
        server="make sure that certificate and private key belong together on every node, and reload.",
        confirm="`openssl x509 -in server.pem -noout -pubkey` and `openssl pkey -in server.key -pubout` print the "
        "same.",
    )
    fault = "did not sign the handshake with its key"
    if failing:
        fault += f" ({failing.algorithm or 'the signature'} fails when it is verified anew)"
    evidence = case.see(failing.frame) if failing else []
    return faults.refused(case, "server", "certain" if failing else sure, fault, remedy, evidence=evidence)
