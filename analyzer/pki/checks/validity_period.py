"""Every certificate of the path is valid at the time of the handshake."""

from collections.abc import Iterator

from analyzer.pki.context import Context, Result, failed, undetermined
from analyzer.pki.times import iso

DECIDES = ("server", "client")
CITATION = "RFC 5280, section 4.1.2.5"


def check(context: Context) -> Iterator[Result]:
    """Compare with notBefore and notAfter, both included."""
    expected = "a handshake between notBefore and notAfter"
    for one in context.path.certificates:
        if one.not_before is None or one.not_after is None:
            yield undetermined(one, "the validity period cannot be parsed")
        elif not context.moment.reached(one.not_before):
            yield failed(one, expected=expected, got=f"not valid before {iso(one.not_before)}")
        elif context.moment.passed(one.not_after):
            yield failed(one, expected=expected, got=f"expired on {iso(one.not_after)}")
