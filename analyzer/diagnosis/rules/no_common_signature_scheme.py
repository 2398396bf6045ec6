"""Client and server have no signature algorithm in common.

What it means: The client names the algorithms by which the server may sign (signature_algorithms), and the server's key
can do none of them: an RSA key where only ECDSA is offered, a client that offers nothing but SHA-1, or a server whose
security level forbids what is left.

On the wire: ClientHello, then handshake_failure (OpenSSL); a Java server of TLS 1.3 sends EncryptedExtensions and
CertificateRequest first.

Client's owner: Offer rsa_pss_rsae_sha256, ecdsa_secp256r1_sha256 and rsa_pkcs1_sha256.

Server's owner: Add a certificate with a key of the other kind.

References: RFC 8446, sections 4.2.3 and 9.1; RFC 9155.
"""

from analyzer.diagnosis import offers
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.faults import sentence
from analyzer.diagnosis.finding import Confidence, Judgment, advise, listed
from analyzer.tls import registry

SEVERITY = "error"
STAGE = "hello"
SPECIFICITY = 3
WHEN = ("failed",)

_CERTIFICATE = 400
"""Bytes that a record with a server's Certificate has at least."""


def judge(case: Case) -> Judgment | None:
    """A hello is turned down, and signature schemes are the likeliest reason; or the server stops before it signs."""
    if case.hello is None:
        return None
    sure: Confidence | None = offers.missing(case, "schemes")
    if sure is None and _stops_before_signing(case):
        sure = "likely"
    if sure is None:
        return None
    schemes = [registry.signature_scheme(code) for code in offers.offer(case.hello).schemes]
    return Judgment(
        confidence=sure,
        summary=f"{sentence(case.name('client'))} accepts signatures by {listed(schemes) or 'no named algorithm'}, "
        f"and {case.name('server')} {case.ending.words}.",
        remedy=advise(
            client="offer rsa_pss_rsae_sha256, ecdsa_secp256r1_sha256 and rsa_pkcs1_sha256.",
            server="add a certificate whose key can sign by one of these.",
            confirm=f"{case.s_client('-sigalgs', 'RSA-PSS+SHA256:ECDSA+SHA256:RSA+SHA256')} should succeed.",
        ),
        evidence=case.see(case.sent("client_hello"), case.ending),
    )


def _stops_before_signing(case: Case) -> bool:
    """Whether a server of TLS 1.3 refused behind its CertificateRequest, where its Certificate should be."""
    ending, hello = case.ending, case.hello
    if len(case.cut_flight) == 3 and ending.sender == "server":
        return all(sent.length < _CERTIFICATE for sent in case.cut_flight)
    if hello is None or ending.sender != "server" or ending.alert != "handshake_failure" or case.answer is None:
        return False
    return case.stage == "server-authentication" and case.sent("certificate", "server") is None and case.asked
