"""The client's chain leads to an authority that the CertificateRequest names."""

from collections.abc import Iterator

from analyzer.pki.context import Context, Result, failed, listed, not_applicable
from analyzer.pki.names import Name

DECIDES = ()
CITATION = "RFC 5246, section 7.4.4; RFC 8446, section 4.2.4"


def check(context: Context) -> Iterator[Result]:
    """Compare issuers and subjects of the chain with the list; an empty list asks for nothing."""
    leaf, requested = context.path.leaf, context.exchange.authorities
    if context.role == "server" or requested is None:
        yield not_applicable("no certificate was requested")
    elif not requested:
        yield not_applicable("the request names no authorities: any will do")
    else:
        chain = [*context.path.certificates, *context.sent]
        held = {one.issuer for one in chain} | {one.subject for one in chain if one is not leaf}
        names = [name for encoded in requested if (name := _name(encoded)) is not None]
        if held.isdisjoint(names):
            expected = f"one of {len(requested)} authorities: " + listed(names)
            yield failed(leaf, expected=expected, got=listed(sorted({one.issuer.text for one in chain})))


def _name(encoded: bytes) -> Name | None:
    try:
        return Name(encoded)
    except ValueError:
        return None
