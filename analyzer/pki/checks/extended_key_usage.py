"""Every certificate of the path that says what it is for is for TLS servers, or for TLS clients."""

from collections.abc import Iterator

from analyzer.pki.context import Context, Result, failed, listed, undetermined

DECIDES = ("server", "client")
CITATION = "RFC 5280, section 4.2.1.12"

_SUFFICIENT = {
    "server": frozenset({"serverAuth", "anyExtendedKeyUsage", "msSGC", "nsSGC"}),
    "client": frozenset({"clientAuth", "anyExtendedKeyUsage"}),
}


def check(context: Context) -> Iterator[Result]:
    """Ask for the purpose on the leaf and, as all stacks do, on its issuers; none given is any."""
    for one in context.path.certificates:
        purposes = one.extended_key_usage
        if one.why("extended_key_usage"):
            yield undetermined(one, "the extended key usage cannot be parsed")
        elif purposes is not None and not _SUFFICIENT[context.role].intersection(purposes):
            yield failed(one, expected=f"{context.role}Auth", got=listed(purposes) or "none")
