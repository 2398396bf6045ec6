"""The client has a certificate, and its key cannot sign in a way that the server accepts.

What it means: The CertificateRequest lists certificate types and signature algorithms. A client whose only key fits
none of them (an RSA key where ECDSA alone is asked for, an RSA key too short for RSA-PSS with SHA-512) sends an empty
Certificate.

On the wire: A CertificateRequest with a short list, then a client Certificate of 3 bytes.

Client's owner: Have a certificate issued for a key of a kind that the server lists.

Server's owner: Accept the usual algorithms: rsa_pss_rsae_sha256, ecdsa_secp256r1_sha256, rsa_pkcs1_sha256.

References: RFC 8446, section 4.3.2; RFC 5246, sections 7.4.4 and 7.4.8.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.faults import sentence
from analyzer.diagnosis.finding import Confidence, Judgment, advise, listed
from analyzer.tls import registry

SEVERITY = "error"
STAGE = "client-authentication"
SPECIFICITY = 3
WHEN = ("failed",)

_SIGNS = {
    "RSA": ("rsa_pkcs1_", "rsa_pss_rsae_"),
    "EC": ("ecdsa_",),
    "Ed25519": ("ed25519",),
    "Ed448": ("ed448",),
    "DSA": ("dsa_",),
}
_FEW = 2
"""Signature algorithms of a request that was made narrow on purpose: stacks ask for ten and more."""
_TYPES = {"RSA": 1, "DSA": 2, "EC": 64, "Ed25519": 64, "Ed448": 64}


def judge(case: Case) -> Judgment | None:
    """Declined, and the algorithms of the request exclude the key that the client is known to have, or most keys."""
    if not case.declined or case.request is None or case.stage != "client-authentication":
        return None
    schemes = [registry.signature_scheme(code) for code in case.request.signature_algorithms or ()]
    types = case.request.certificate_types
    unfit = [kind for kind in _SIGNS if not _fits(kind, schemes, types)]
    held = [other.certificates["client"][0] for other in case.around.client_identities(case.report)]
    key = next((one for one in held if one.key.split(" ")[0] in unfit), None)
    sure: Confidence
    if key is not None:
        sure = "likely"
        has = f"elsewhere it presented {key.subject}, which has a key {key.key}"
    elif ("RSA" in unfit or "EC" in unfit) and (schemes or types):
        # Most clients have RSA keys: to shut these out is done on purpose, and met by surprise.
        sure = "likely" if "RSA" in unfit and 0 < len(schemes) <= _FEW else "possible"
        has = f"no {' or '.join(kind for kind in ('RSA', 'EC') if kind in unfit)} key can do that"
    else:
        return None
    wanted = listed(schemes) or listed([registry.client_certificate_type(code) for code in types])
    return Judgment(
        confidence=sure,
        summary=f"{sentence(case.name('server'))} accepts signatures by {wanted} only; {case.name('client')} sent no "
        f"certificate: {has}.",
        remedy=advise(
            client="have a certificate issued for a key of a kind that the server lists.",
            server="accept the usual algorithms: rsa_pss_rsae_sha256, ecdsa_secp256r1_sha256, rsa_pkcs1_sha256.",
            confirm=f"{case.s_client()} lists them under `Requested Signature Algorithms`.",
        ),
        evidence=case.see(case.sent("certificate_request", "server"), case.sent("certificate", "client"), case.ending),
    )


def _fits(kind: str, schemes: list[str], types: tuple[int, ...]) -> bool:
    """Whether a key of this kind can sign as asked."""
    if schemes and not any(scheme.startswith(_SIGNS[kind]) for scheme in schemes):
        return False
    return not types or _TYPES[kind] in types
