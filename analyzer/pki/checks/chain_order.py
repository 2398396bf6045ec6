"""The certificates were sent leaf first, each followed by its issuer, and nothing else."""

from collections.abc import Iterator
from itertools import pairwise

from analyzer.pki.certificate import Certificate
from analyzer.pki.context import Context, Result, failed, listed, passed

DECIDES = ()
CITATION = "RFC 5246, section 7.4.2; RFC 8446, section 4.4.2"


def check(context: Context) -> Iterator[Result]:
    """Compare what was sent with the path; say what a sender could leave out."""
    path, sent = context.path, context.sent
    places = {one.der: i for i, one in reversed([*enumerate(sent)])}
    wrong, notes = [], []
    for earlier, later in pairwise([places[one.der] for one in path.certificates if one.der in places]):
        if later < earlier:
            issued, issuer = sent[earlier].subject, sent[later].subject
            wrong.append(f"number {later + 1}, {issuer}, issued number {earlier + 1}, {issued}")
    on_path = {one.der for one in path.certificates}
    issuers = {one.issuer for one in (*path.certificates, *sent) if not one.self_issued}
    for i, one in enumerate(sent):
        if places[one.der] != i:
            notes.append(f"number {i + 1}, {one.subject}, was sent twice")
        elif one.der in on_path:
            if path.anchor is not None and one.der == path.anchor.der and i > 0:
                notes.append(f"the anchor {one.subject} was sent too, which is not needed")
        elif (twin := _twin(one, path.certificates)) is not None:
            used = "itself" if twin.self_issued else twin.issuer.text
            notes.append(f"{one.subject} is cross-signed: {one.issuer} issued the one sent, {used} the one used")
        elif one.subject in issuers:
            notes.append(f"{one.subject} was sent too, and has no part in the path")
        else:
            wrong.append(f"number {i + 1}, {one.subject}, issued none of the others")
    if wrong:
        yield failed(path.leaf, expected="leaf first, each certified by the one after it", got=listed(wrong))
    elif notes:
        yield passed(None, listed(notes))


def _twin(certificate: Certificate, path: tuple[Certificate, ...]) -> Certificate | None:
    """The certificate of the path for the same name and key."""
    same = (one for one in path if one.spki == certificate.spki and one.subject == certificate.subject)
    return next(same, None)
