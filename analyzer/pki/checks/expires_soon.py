"""No certificate of the path expires within the next weeks."""

from collections.abc import Iterator

from analyzer.pki.context import Context, Result, failed
from analyzer.pki.times import DAY, iso

DECIDES = ()
CITATION = "RFC 5280, section 4.1.2.5"


def check(context: Context) -> Iterator[Result]:
    """Look ahead from the time of the handshake; one that has expired is the validity period's matter."""
    days = context.settings.expires_soon_days
    for one in context.path.certificates:
        end = one.not_after
        if end is not None and context.moment.reached(end - days * DAY) and not context.moment.passed(end):
            yield failed(one, expected=f"more than {days} days left", got=f"expires on {iso(end)}")
