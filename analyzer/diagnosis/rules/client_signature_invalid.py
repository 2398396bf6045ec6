"""The client's signature over the handshake does not verify with the key of its certificate.

What it means: The client does not have the private key of the certificate that it shows, or what signs for it is
broken: a smart card, an HSM or TPM that cannot do RSA-PSS, an engine that signs another hash.

On the wire: The client's flight is complete, its CertificateVerify does not verify, and the server says decrypt_error.

Client's owner: Compare the public keys of certificate and private key; update the driver of the key store, or restrict
the signature schemes (without rsa_pss_*) or the version to TLS 1.2 to see whether it is that.

Server's owner: Nothing.

References: RFC 5246, section 7.4.8; RFC 8446, sections 4.4.3 and 6.2.
"""

from analyzer.diagnosis import faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "client-authentication"
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """The client's CertificateVerify fails, or the server says decrypt_error and nobody can check it."""
    signatures = [
        proof for proof in case.report.proofs if (proof.of, proof.message) == ("client", "certificate_verify")
    ]
    failing = next((proof for proof in signatures if proof.status == "fail"), None)
    verified = any(proof.status == "pass" for proof in signatures)
    sure = faults.confidence(case, "client", "signature", True if failing else False if verified else None)
    if sure is None:
        return None
    remedy = advise(
        client="make sure that certificate and private key belong together; if a card, HSM or TPM signs, update its "
        "driver, "
        "or try without RSA-PSS.",
        confirm="`openssl x509 -in client.pem -noout -pubkey` and `openssl pkey -in client.key -pubout` print the "
        "same.",
    )
    fault = "did not sign the handshake with its key"
    if failing:
        fault += f" ({failing.algorithm or 'the signature'} fails when it is verified anew)"
    evidence = case.see(failing.frame) if failing else case.see(case.sent("certificate_verify", "client"))
    return faults.refused(case, "client", "certain" if failing else sure, fault, remedy, evidence=evidence)
