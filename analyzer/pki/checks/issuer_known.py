"""The path leads to a trust anchor of the other side."""

from collections.abc import Iterator

from analyzer.pki.context import Context, Result, failed, not_applicable, passed, undetermined
from analyzer.pki.times import DAY

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
    elif doubt := _doubt(context):
        yield undetermined(path.certificates[-1], f"{path.explanation}; but {doubt}")
    else:
        expected = f"a path to an anchor in {context.store}"
        yield failed(path.certificates[-1], expected=expected, got=path.explanation or "")


def _doubt(context: Context) -> str | None:
    """Why it says little that an assumed store lacks the anchor; None where it is the answer, or the best there is.

    A missing link is missing whatever the other side trusts, and who refuses the chain has no anchor for it either.
    """
    store, answer = context.store, context.exchange.answer
    if not context.assumed or context.path.fault == "issuer-seen-elsewhere" or answer == "refused":
        return None
    if answer == "went-on":
        return f"the client went on, and {store} merely stands in for what it trusts"
    days = context.settings.store_days
    if store.time is not None and not context.moment.reached(store.time - days * DAY):
        late = f"is of more than {days} days after the time at which the chain is judged"
        return f"{store}, which merely stands in for what the client trusts, {late}"
    return None
