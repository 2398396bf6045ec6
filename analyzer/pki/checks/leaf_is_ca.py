"""The certificate in use is not one of an authority, which some stacks (rustls, webpki) refuse."""

from collections.abc import Iterator

from analyzer.pki.context import Context, Result, failed

DECIDES = ()
CITATION = "CA/Browser Forum Baseline Requirements, section 7.1.2.7"


def check(context: Context) -> Iterator[Result]:
    """Look at the leaf's basic constraints."""
    if context.path.leaf.is_ca:
        yield failed(context.path.leaf, expected="CA:FALSE", got="CA:TRUE")
