"""What a capture lacks or hides: each kind of issue once, with a count and the first frame."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class Issue:
    """One kind of shortcoming of a capture, or of what was read of it."""

    code: str
    """Stable lower-case name with dashes, such as `capture-cut-short`."""
    message: str
    """One sentence for a person; of several occurrences the first one's."""
    count: int = 1
    """How often it occurred."""
    frame: int | None = None
    """The first frame that shows it (counted from 1), where one does."""


class Issues:
    """Collects issues; the first occurrence of a code in the capture sets message and frame, others only count."""

    def __init__(self) -> None:
        self._by_code: dict[str, Issue] = {}

    def add(self, code: str, message: str, *, frame: int | None = None, count: int = 1) -> None:
        """Record `count` occurrences of `code`."""
        issue = self._by_code.get(code)
        if issue is None:
            self._by_code[code] = Issue(code, message, count, frame)
            return
        issue.count += count
        if frame is not None and issue.frame is not None and frame < issue.frame:
            issue.message, issue.frame = message, frame

    def extend(self, others: Iterable[Issue]) -> None:
        """Record what others have found."""
        for issue in others:
            self.add(issue.code, issue.message, frame=issue.frame, count=issue.count)

    def sorted(self) -> list[Issue]:
        """Those of the capture as such, then the others by the frame that shows them first."""
        return sorted(self, key=lambda issue: (issue.frame or 0, issue.code))

    def __iter__(self) -> Iterator[Issue]:
        return iter(self._by_code.values())

    def __len__(self) -> int:
        return len(self._by_code)

    def __contains__(self, code: object) -> bool:
        return code in self._by_code


_UNREAD = ("capture-unreadable", "capture-read-error", "expansion")


def unread(issues: Iterable[Issue]) -> str | None:
    """Which file could not be read, or not to its end: for a program, this is a failure.

    What is cut short or damaged (`capture-cut-short`, `capture-damaged`) was read as far as there is anything.
    """
    return next((issue.message for issue in issues if issue.code in _UNREAD), None)
