"""Every certificate of many handshakes, once: where it was seen, what it is worth, when it ends."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analyzer.inventory.collect import Inventory
    from analyzer.results import CaptureReport


def certificates(reports: "CaptureReport | Iterable[CaptureReport]", *, at: str = "capture") -> "Inventory":
    """List the certificates of one report or of several: a list that can be saved and exported.

    Args:
        reports: what `analyzer.analyze` or `analyzer.analyze_many` returned.
        at: from when the days to expiry are counted, as for `analyzer.analyze`: `capture` (the last handshake that
            showed the certificate), `now`, or an ISO 8601 time.

    Raises:
        UsageError: `at` is no time.
    """
    from analyzer.inventory.collect import Inventory
    from analyzer.results import CaptureReport

    return Inventory([reports] if isinstance(reports, CaptureReport) else reports, at=at)
