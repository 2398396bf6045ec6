"""One page to explore: search, choose verdicts, follow one host or certificate; it needs no network."""

from analyzer.diagram.sequence import Theme
from analyzer.graph.columns import columns
from analyzer.graph.model import Graph
from analyzer.report import webpage

SUFFIX = ".html"
_HOME = "analyzer.graph"


def write(graph: Graph, *, theme: Theme = "light") -> bytes:
    """Write the page; it follows the reader's theme."""
    whole = columns(graph)
    number = {card.key: at for at, card in enumerate(whole.cards)}
    template = webpage.templates(_HOME).get_template("graph.html")
    return template.render(
        title=graph.title,
        subtitle=graph.subtitle,
        heads=whole.heads,
        legend=whole.legend,
        style=webpage.style(_HOME, "page.css", "graph.css"),
        **webpage.script(_HOME, "graph.js"),
        cards=webpage.data([[card.column, card.title, card.lines, card.weight, card.tag] for card in whole.cards]),
        links=webpage.data(
            [
                [number[link.source], number[link.target], link.label, link.tone, link.line, link.count, link.details]
                for link in whole.links
            ]
        ),
    ).encode()
