"""How does a picture of hundreds stay legible? A few cards one by one, groups of those alike, the rest counted.

Nothing is left out: what is not shown one by one is in a card that says how many it stands for, and the counts of all
links add up to the same.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from analyzer.graph.columns import Card, Columns, Link
from analyzer.report import words

MOST = 18
"""Cards of a column, where a picture cannot be searched."""
_GROUPS = 4
"""Of those, groups of cards with the same links."""
_SMALLEST = 3
"""Members of such a group at least."""
_LABELS = 12
"""Of what ends at a group, before labels are told less exactly."""


def limited(whole: Columns, most: int = MOST) -> Columns:
    """The same with at most so many cards in a column: the most telling, groups of those alike, and the rest counted.

    What failed comes first, then what has most handshakes. Nothing is left out: what is not shown one by one is in a
    card that says how many it stands for.
    """
    cards, links = whole.cards, whole.links
    for column in reversed(range(len(whole.heads))):
        here = [card for card in cards if card.column == column]
        if len(here) <= most:
            continue
        stands_for = _merged(here, links, most)
        groups: dict[str, list[Card]] = {}
        for card in here:
            groups.setdefault(stands_for[card.key], []).append(card)
        cards = [card for card in cards if card.column != column]
        cards += [found[0] if len(found) == 1 else _group(key, found) for key, found in groups.items()]
        links = joined(links, stands_for)
        for key in (key for key, found in groups.items() if len(found) > 1):
            if len({link.label for link in links if link.target == key}) > _LABELS:
                links = joined(_coarse(link) if link.target == key else link for link in links)
    return replace(whole, cards=cards, links=links)


def _coarse(link: Link) -> Link:
    return replace(link, label=link.coarse or link.label)


def _merged(cards: list[Card], links: list[Link], most: int) -> dict[str, str]:
    """Of each card of a column the key of the card that stands for it."""
    failed = {key for link in links if link.tone == "failed" for key in (link.source, link.target)}
    ranked = sorted(cards, key=lambda card: (card.key not in failed, -card.weight, card.key))
    shown, rest = ranked[: most - _GROUPS - 1], ranked[most - _GROUPS - 1 :]
    ends: dict[str, set[tuple[str, ...]]] = {card.key: set() for card in cards}
    for link in links:
        for key, other in ((link.source, link.target), (link.target, link.source)):
            if key in ends:
                ends[key].add((other, link.label, link.tone))
    alike: dict[frozenset[tuple[str, ...]], list[Card]] = {}
    for card in rest:
        alike.setdefault(frozenset(ends[card.key]), []).append(card)
    groups = sorted(alike.values(), key=lambda group: (-len(group), group[0].key))
    told = [group for group in groups[:_GROUPS] if len(group) >= _SMALLEST]
    others = [card for group in groups[len(told) :] for card in group]
    stands_for = {card.key: card.key for card in shown}
    for group in (*told, others):
        stands_for.update((card.key, group[0].key) for card in group)
    return stands_for


def _group(key: str, cards: list[Card]) -> Card:
    members = sum(card.members for card in cards)
    shown = ", ".join(card.title for card in cards[:2])
    lines = (f"{shown}, …" if len(cards) > 2 else shown,)
    title = words.count(members, f"more {cards[0].noun}")
    return Card(key, cards[0].column, title, lines, sum(card.weight for card in cards), members, cards[0].noun)


def joined(links: Iterable[Link], stands_for: Mapping[str, str] = MappingProxyType({})) -> list[Link]:
    """Links between the cards that stand for others, those of the same label as one."""
    made: dict[tuple[str, ...], Link] = {}
    for link in links:
        source, target = stands_for.get(link.source, link.source), stands_for.get(link.target, link.target)
        key = source, target, link.label, link.tone, link.line
        known = made.get(key)
        if known is None:
            made[key] = replace(link, source=source, target=target)
        else:
            details = Counter(dict(known.details)) + Counter(dict(link.details))
            made[key] = replace(known, count=known.count + link.count, details=tuple(sorted(details.items())))
    return list(made.values())


def ordered(picture: Columns) -> Columns:
    """The same with cards where their links cross least: each at the mean place of those that it is linked with."""
    place: dict[str, float] = {}
    for column in range(len(picture.heads)):
        here = [card for card in picture.cards if card.column == column]
        place.update((card.key, number / max(len(here) - 1, 1)) for number, card in enumerate(here))
    cards = list(picture.cards)
    for sweep in range(_SWEEPS):
        backwards = sweep % 2 == 0
        for column in range(len(picture.heads))[:: -1 if backwards else 1]:
            here = [card for card in cards if card.column == column]
            means = {card.key: _mean(card.key, picture.links, place, backwards) for card in here}
            here.sort(key=lambda card: (card.members > 1, means[card.key], card.key))
            place.update((card.key, number / max(len(here) - 1, 1)) for number, card in enumerate(here))
    cards.sort(key=lambda card: (card.column, place[card.key]))
    return replace(picture, cards=cards)


_SWEEPS = 6


def _mean(key: str, links: list[Link], place: dict[str, float], backwards: bool) -> float:
    """Mean place of what a card is linked with in the next column, or the one before; else its own."""
    ends = [
        (place[link.target if backwards else link.source], link.count)
        for link in links
        if (link.source if backwards else link.target) == key
    ]
    total = sum(count for _, count in ends)
    return sum(at * count for at, count in ends) / total if total else place[key]
