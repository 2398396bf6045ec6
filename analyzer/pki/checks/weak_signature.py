"""No signature that has to be believed rests on a broken hash."""

from collections.abc import Iterator

from analyzer.pki.context import Context, Result, failed, undetermined

DECIDES = ("server", "client")
CITATION = "RFC 9155; RFC 6151; CA/Browser Forum Baseline Requirements, section 7.1.3.2"

_BROKEN = ("md2", "md4", "md5", "sha1")


def check(context: Context) -> Iterator[Result]:
    """Look at all certificates but the anchor and other self-signed ones, whose signatures prove nothing."""
    for one in context.path.unanchored:
        algorithm = one.signature_algorithm
        if one.why("signature_algorithm"):
            yield undetermined(one, "the signature algorithm cannot be parsed")
        elif not one.self_issued and algorithm.hash in _BROKEN:
            yield failed(one, expected="SHA-2 or better", got=algorithm.name)
