"""Every certificate of the path is signed with the key of the next one."""

from collections.abc import Iterator

from analyzer.pki.context import Context, Result, failed, not_applicable, undetermined

DECIDES = ("server", "client")
CITATION = "RFC 5280, section 6.1.3 (a) (1)"


def check(context: Context) -> Iterator[Result]:
    """Report the links that the search of the path verified."""
    path = context.path
    if not path.links:
        if path.anchor is not None:
            yield not_applicable("the certificate is itself an anchor")
        elif path.leaf.self_issued:
            yield not_applicable("the certificate is self-signed")
        else:
            yield undetermined(path.leaf, f"the certificate of {path.leaf.issuer} is not at hand")
    for i, link in enumerate(path.links):
        issued, issuer = path.certificates[i : i + 2]
        if link.status == "fail":
            yield failed(issued, expected=f"signed by {issuer.subject}", got=link.reason or "")
        elif link.status == "undetermined":
            yield undetermined(issued, link.reason or "")
