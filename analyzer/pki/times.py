"""When is it? All times are nanoseconds since 1970-01-01 UTC."""

import re
from datetime import UTC, datetime, timedelta
from math import inf

from analyzer.pki import der
from analyzer.pki.der import DerError

SECOND = 1_000_000_000
"""Nanoseconds."""
DAY = 86_400 * SECOND
"""Nanoseconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REST = r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(?:[.,]\d+)?(Z|[+-]\d{4})"
_UTC_TIME = re.compile(r"(\d\d)" + _REST, re.ASCII)
_GENERALIZED_TIME = re.compile(r"(\d{4})" + _REST, re.ASCII)


class Moment:
    """A point in time that remembers between which two instants its answers are the same.

    A verdict that asks nothing else of the time holds for every time from `since` until just before `until`.
    """

    __slots__ = ("since", "time", "until")

    def __init__(self, time: int) -> None:
        self.time = time
        self.since: float = -inf
        self.until: float = inf

    def reached(self, instant: int) -> bool:
        """Whether it is `instant` or later."""
        if self.time >= instant:
            self.since = max(self.since, instant)
            return True
        self.until = min(self.until, instant)
        return False

    def passed(self, instant: int) -> bool:
        """Whether it is later than `instant`."""
        return self.reached(instant + 1)


def read(data: bytes, found: der.Element) -> int:
    """Read a UTCTime or GeneralizedTime (RFC 5280, section 4.1.2.5), also without seconds or with an offset.

    Raises `DerError` where it is none.
    """
    text = data[found[1] : found[2]].decode("latin-1")
    short = found[0] == der.UTC_TIME
    match = (_UTC_TIME if short else _GENERALIZED_TIME).fullmatch(text)
    if match is None or not (short or found[0] == der.GENERALIZED_TIME):
        raise DerError(f"{text!r} is no time")
    *digits, offset = match.groups(default="0")
    year, month, day, hour, minute, second = map(int, digits)
    if short:
        year += 1900 if year >= 50 else 2000
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        if offset != "Z":
            shift = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:]))
            moment += -shift if offset[0] == "+" else shift
    except (ValueError, OverflowError) as error:
        raise DerError(f"{text!r} is no time: {error}") from error
    return from_datetime(moment)


def from_datetime(moment: datetime) -> int:
    """Nanoseconds of a datetime with a time zone."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def iso(time: int, timespec: str = "seconds") -> str:
    """Write a time as ISO 8601, down to the `timespec` of `datetime.isoformat`."""
    try:
        moment = _EPOCH + timedelta(microseconds=time // 1000)
    except OverflowError:  # an SCT's 64 bits of milliseconds
        return "a time after the year 9999"
    return moment.replace(tzinfo=None).isoformat(timespec=timespec) + "Z"
