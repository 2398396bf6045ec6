"""The certificate has subject alternative names; a host name in the common name is no longer looked at."""

from collections.abc import Iterator

from analyzer.pki.context import Context, Result, failed, listed, not_applicable

DECIDES = ("server",)
CITATION = "RFC 9525, section 2"


def check(context: Context) -> Iterator[Result]:
    """Ask a server for the extension, with at least one name."""
    leaf = context.path.leaf
    if context.role == "client":
        yield not_applicable("a client's certificate names nobody whom the other side means to reach")
    elif not leaf.san and not leaf.why("san"):
        names = listed(leaf.subject.common_names)
        got = f"none, but the common name {names}" if names else "none"
        yield failed(leaf, expected="a subject alternative name", got=got)
