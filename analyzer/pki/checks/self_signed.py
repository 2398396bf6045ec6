"""The certificate does not merely vouch for itself."""

from collections.abc import Iterator

from analyzer.pki.context import Context, Result, failed, passed, undetermined

DECIDES = ("server", "client")
CITATION = "RFC 5280, section 6.1"


def check(context: Context) -> Iterator[Result]:
    """Accept a self-signed certificate only where it is itself an anchor."""
    path = context.path
    if path.anchor is path.leaf:
        yield passed(path.leaf, f"the certificate is itself an anchor in {path.store}")
    elif path.fault == "self-signed":
        if context.store.known:
            yield failed(path.leaf, expected="issued by an authority", got=f"{path.leaf.subject} issued itself")
        else:
            yield undetermined(path.leaf, "self-signed, and the other side's trust anchors are not known")
