"""The stapled OCSP response, where there is one, is the issuer's, is fresh, and says good."""

from collections.abc import Iterator

from analyzer.pki.context import Context, Result, failed, not_applicable, passed, undetermined
from analyzer.pki.der import DerError
from analyzer.pki.revocation import Staple
from analyzer.pki.times import iso

DECIDES = ("server", "client")
CITATION = "RFC 6066, section 8; RFC 6960, section 3.2; RFC 7633, section 4.2"


def check(context: Context) -> Iterator[Result]:
    """Check signature, certificate, times and status; ask for a response where the certificate promises one."""
    leaf, path = context.path.leaf, context.path
    if context.exchange.staple is None:
        if leaf.must_staple and context.role == "server":
            yield failed(leaf, expected="a stapled response, which the certificate promises", got="none")
        else:
            yield not_applicable("no response was stapled")
        return
    good = "a response of the issuer that says good"
    try:
        staple = Staple(context.exchange.staple)
    except DerError as error:
        yield failed(leaf, expected=good, got=str(error))
        return
    if staple.refusal is not None:
        yield failed(leaf, expected=good, got=f"the responder answered: {staple.refusal}")
        return
    if len(path.certificates) < 2:
        yield undetermined(leaf, "the issuer, which must have signed the response, is not at hand")
        return
    issuer = path.certificates[1]
    signed = staple.signed_for(issuer)
    if signed.status == "fail":
        yield failed(leaf, expected=good, got=signed.reason or "")
        return
    if signed.status == "undetermined":
        yield undetermined(leaf, signed.reason or "")
        return
    answer = staple.answer(leaf, issuer)
    if answer is None:
        yield failed(leaf, expected=good, got="the response is about another certificate")
    elif answer.status != "good":
        yield failed(leaf, expected=good, got=str(answer.revocation or "status unknown"))
    elif not context.moment.reached(answer.this_update):
        yield failed(leaf, expected=good, got=f"made on {iso(answer.this_update)}, after the handshake")
    elif answer.next_update is not None and context.moment.passed(answer.next_update):
        yield failed(leaf, expected=good, got=f"out of date since {iso(answer.next_update)}")
    else:
        yield passed(leaf, f"good on {iso(answer.this_update)}")
