"""Every certificate that was sent can be parsed."""

from collections.abc import Iterator

from analyzer.pki.context import Context, Result, failed

DECIDES = ("server", "client")
CITATION = "RFC 5280, section 4.1"


def check(context: Context) -> Iterator[Result]:
    """Name the fields that cannot."""
    for one in context.path.unanchored:
        if one.problems:
            got = "; ".join(f"{name}: {why}" for name, why in one.problems.items())
            yield failed(one, expected="a certificate by RFC 5280", got=got)
