"""Where does a line break, so that none is wider than its room?"""

from collections.abc import Callable, Iterator
from unicodedata import combining

_AFTER = frozenset("/,;:.-_=+&?@")
"""Signs behind which a word that has no room in one line is broken rather than elsewhere."""


def wrap(text: str, room: float, measure: Callable[[str], float]) -> list[str]:
    """Lines of a text, broken at spaces; a word that no line holds is broken within."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if measure(longer) <= room:
            line = longer
            continue
        if line:
            lines.append(line)
        *full, line = _chop(word, room, measure)
        lines += full
    lines.append(line)
    return [one for one in lines if one] or [""]


def _chop(word: str, room: float, measure: Callable[[str], float]) -> Iterator[str]:
    while measure(word) > room and (end := _fitting(word, room, measure)) < len(word):
        nice = max((at + 1 for at in range(end // 2, end) if word[at] in _AFTER), default=end)
        yield word[:nice]
        word = word[nice:]
    yield word


def _fitting(word: str, room: float, measure: Callable[[str], float]) -> int:
    """How many characters fit, at least one; a combining mark stays with its letter."""
    used, end = 0.0, 0
    for character in word:
        used += measure(character)
        if used > room:
            break
        end += 1
    while end > 1 and end < len(word) and combining(word[end]):
        end -= 1
    return max(end, 1)
