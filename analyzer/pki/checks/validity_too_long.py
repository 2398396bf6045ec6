"""A public server certificate is not valid for longer than was allowed when it was issued."""

from collections.abc import Iterator

from analyzer.pki import times
from analyzer.pki.context import Context, Result, failed, not_applicable

DECIDES = ()
CITATION = "CA/Browser Forum Baseline Requirements, section 6.3.2"

_LIMITS = (  # issued on or after, days
    ("2029-03-15", 47),
    ("2027-03-15", 100),
    ("2026-03-15", 200),
    ("2020-09-01", 398),
    ("2018-03-01", 825),
    ("2015-04-01", 39 * 31),
    ("2012-07-01", 60 * 31),
)


def check(context: Context) -> Iterator[Result]:
    """Compare the length of the validity period with the limit of the day on which it begins."""
    leaf, store = context.path.leaf, context.path.store
    if context.role == "client" or store is None or not store.public:
        yield not_applicable("the limits bind public authorities, for servers")
    elif leaf.not_before is not None and leaf.not_after is not None:
        begin = times.iso(leaf.not_before)
        limit = next((days for since, days in _LIMITS if begin >= since), None)
        length = leaf.not_after - leaf.not_before + times.SECOND  # both ends included
        if limit is not None and length > limit * times.DAY:
            expected = f"at most {limit} days for a certificate of {begin[:10]}"
            yield failed(leaf, expected=expected, got=f"{-(-length // times.DAY)} days")
