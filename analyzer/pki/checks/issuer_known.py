"""The path leads to a trust anchor of the other side."""

from collections.abc import Iterator

from analyzer.pki.context import Context, Result, failed, not_applicable, passed, undetermined

DECIDES = ("server", "client")
CITATION = "RFC 5280, section 6.1.1 (d)"


def check(context: Context) -> Iterator[Result]:
    """Name the anchor and its store, or the first missing link."""
    path = context.path
    if path.anchor is not None:
        yield passed(path.anchor, f"{path.anchor.subject} in {path.store}")
    elif not context.store.known:
        yield undetermined(path.leaf, "the other side's trust anchors are not known")
    elif path.fault == "search-given-up":
        yield undetermined(path.leaf, path.explanation or "")
    elif path.fault == "self-signed":
        yield not_applicable("the certificate is self-signed")
    else:
        expected = f"a path to an anchor in {context.store}"
        yield failed(path.certificates[-1], expected=expected, got=path.explanation or "")
