"""No certificate of the path is in a revocation list that the user gave (`--crl`)."""

from collections.abc import Iterator
from itertools import pairwise

from analyzer.pki.certificate import Certificate
from analyzer.pki.context import Context, Result, failed, not_applicable, passed, undetermined
from analyzer.pki.revocation import RevocationList
from analyzer.pki.times import iso

DECIDES = ("server", "client")
CITATION = "RFC 5280, section 6.3"


def check(context: Context) -> Iterator[Result]:
    """Ask, for each certificate that has an issuer, each list of that issuer."""
    path = context.path.certificates
    if not context.crls:
        yield not_applicable("no revocation list was given")
        return
    if len(path) == 1:
        yield not_applicable("no issuer that could have revoked it is at hand")
    for one, issuer in pairwise(path):
        lists = [crl for crl in context.crls if crl.covers(one)]
        if not lists:
            yield undetermined(one, f"no list of {one.issuer} was given")
        for crl in lists:
            yield _answer(context, crl, one, issuer)


def _answer(context: Context, crl: RevocationList, one: Certificate, issuer: Certificate) -> Result:
    signed = crl.signed_by(issuer)
    if signed.status != "pass":
        return undetermined(one, f"the list of {crl.issuer} is not used: {signed.reason}")
    revocation = crl.revocation(one)
    if revocation is not None and context.moment.reached(revocation.time):
        return failed(one, expected="not revoked", got=str(revocation))
    if crl.partial:
        return undetermined(one, f"the list of {crl.issuer} does not speak of all revocations")
    if crl.next_update is not None and context.moment.passed(crl.next_update):
        return undetermined(one, f"the list of {crl.issuer} is out of date since {iso(crl.next_update)}")
    return passed(one, f"not in the list of {crl.issuer} of {iso(crl.this_update)}")
