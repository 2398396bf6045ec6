"""How does a link pass the columns between its two cards? In lanes of their own, not behind the cards there.

A lane takes a place in its column as a card does, so that what orders and sets the cards does the same for lanes (the
dummy vertices of Sugiyama's layered drawings). Links of one kind that lead to the same card share their lanes.
"""

from dataclasses import replace
from itertools import pairwise

from analyzer.graph.columns import Card, Columns, Link
from analyzer.graph.legible import joined


def laned(picture: Columns) -> Columns:
    """The same with several links for each that skips columns: from card to lane, lane to lane, lane to card."""
    column = {card.key: card.column for card in picture.cards}
    lanes: dict[str, Card] = {}
    parts: list[Link] = []
    for link in picture.links:
        begin, end = column[link.source], column[link.target]
        passed = range(begin + 1, end) if begin < end else range(begin - 1, end, -1)
        through = [_lane(at, link) for at in passed]
        lanes.update((lane.key, lane) for lane in through)
        for source, target in pairwise([link.source, *(lane.key for lane in through), link.target]):
            parts.append(replace(link, source=source, target=target))
    cards = sorted([*picture.cards, *lanes.values()], key=lambda card: card.column)
    return replace(picture, cards=cards, links=joined(parts))


def _lane(column: int, link: Link) -> Card:
    key = f"lane {column} {link.target} {link.label} {link.tone} {link.line}"
    return Card(key, column, "", leads_to=link.target)
