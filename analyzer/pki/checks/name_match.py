"""The server's certificate names the server that the client meant."""

from collections.abc import Iterator

from analyzer.pki.context import Context, Result, failed, listed, not_applicable, passed, undetermined
from analyzer.pki.names import dns_matches, ip_of, match

DECIDES = ("server", "client")
CITATION = "RFC 9525, section 6"


def check(context: Context) -> Iterator[Result]:
    """Look for the reference identifier among the subject alternative names, no longer in the common name."""
    leaf, reference = context.path.leaf, context.exchange.reference
    if context.role == "client":
        yield not_applicable("a client's certificate has no host name to match")
    elif reference is None:
        yield undetermined(leaf, "the hello names no server: what the client meant is not known")
    elif leaf.why("san"):
        yield undetermined(leaf, "the subject alternative names cannot be parsed")
    elif leaf.san is not None:
        found = match(reference, leaf.san)
        if found is None:
            yield failed(leaf, expected=reference, got=listed(leaf.san))
        else:
            yield passed(leaf, str(found))
    elif ip_of(reference) is None and any(dns_matches(reference, name) for name in leaf.subject.common_names):
        yield not_applicable(f"no subject alternative name; the common name is {reference}")
    else:
        names = listed(leaf.subject.common_names)
        yield failed(leaf, expected=reference, got=f"no subject alternative name, common name {names or 'none'}")
