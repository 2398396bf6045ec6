"""Every key of the path is long enough."""

from collections.abc import Iterator

from analyzer.pki.context import Context, Result, failed, undetermined

DECIDES = ("server", "client")
CITATION = "NIST SP 800-131A Rev. 2; CA/Browser Forum Baseline Requirements, section 6.1.5"


def check(context: Context) -> Iterator[Result]:
    """Compare key sizes with the settings; kinds without sizes, such as Ed25519, are strong."""
    for one in context.path.certificates:
        kind, bits, _ = key = one.key
        if kind not in ("RSA", "RSA-PSS", "RSA-OAEP", "DSA", "DH", "EC"):
            if one.why("key"):
                yield undetermined(one, "the key cannot be parsed")
        elif bits is None:
            yield undetermined(one, f"the strength of {key} is not known")
        elif bits < (wanted := context.settings.ec_bits if kind == "EC" else context.settings.rsa_bits):
            yield failed(one, expected=f"at least {wanted} bits", got=str(key))
