"""The key can make signatures of a kind that the other side accepts."""

from collections.abc import Iterator

from analyzer.pki.context import Context, Result, failed, listed, not_applicable
from analyzer.pki.keys import PublicKey
from analyzer.tls.registry import client_certificate_type, signature_scheme

DECIDES = ()
CITATION = "RFC 5246, sections 7.4.1.4.1 and 7.4.4; RFC 8446, section 4.2.3"

_SCHEMES = {
    "RSA": ("rsa_pkcs1_", "rsa_pss_rsae_"),
    "RSA-PSS": ("rsa_pss_pss_",),
    "EC": ("ecdsa_",),
    "DSA": ("dsa_",),
    "Ed25519": ("ed25519",),
    "Ed448": ("ed448",),
    "ML-DSA-44": ("mldsa44",),
    "ML-DSA-65": ("mldsa65",),
    "ML-DSA-87": ("mldsa87",),
}
_TYPES = {
    "RSA": ("rsa_sign", "rsa_fixed_dh", "rsa_fixed_ecdh"),
    "RSA-PSS": ("rsa_sign",),
    "EC": ("ecdsa_sign", "ecdsa_fixed_ecdh"),
    "Ed25519": ("ecdsa_sign",),  # RFC 8422, section 5.5
    "Ed448": ("ecdsa_sign",),
    "DSA": ("dss_sign", "dss_fixed_dh"),
}


def check(context: Context) -> Iterator[Result]:
    """Compare the leaf's key with the signature schemes and, of a client, the certificate types."""
    leaf = context.path.leaf
    key: PublicKey = leaf.key
    schemes = [signature_scheme(code) for code in context.exchange.signature_schemes]
    types = [client_certificate_type(code) for code in context.exchange.certificate_types]
    if not (schemes or types) or key.kind not in _SCHEMES:
        yield not_applicable("nothing was asked for, or the kind of the key is unknown")
        return
    if schemes and not any(scheme.startswith(_SCHEMES[key.kind]) for scheme in schemes):
        yield failed(leaf, expected=f"a key for one of {listed(schemes)}", got=str(key))
    if types and key.kind in _TYPES and not set(types).intersection(_TYPES[key.kind]):
        yield failed(leaf, expected=f"a key for one of {listed(types)}", got=str(key))
