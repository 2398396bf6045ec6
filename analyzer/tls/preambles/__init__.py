"""Preambles: what is said in clear on a connection before TLS begins, and where it begins.

Every public module of this folder is one preamble: its docstring says how TLS begins in it, `CLIENT` and
`SERVER` hold the bytes with which either side may begin, `GREETS` says whether the server may speak first, and
`recognize(client, server)` judges the first bytes of both directions. Ports play no part. Preambles may follow
one another: a PROXY header, then CONNECT, then SMTP with STARTTLS in the tunnel.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from types import ModuleType
from typing import Literal

from analyzer.plugins import Registry
from analyzer.tls.preambles._framing import Chunk, Deframer
from analyzer.tls.preambles._preamble import Preamble, State, begins_tls

__all__ = ["Chunk", "Deframer", "Preamble", "Prologue", "begins_tls", "deframer", "follow", "recognize"]

_Recognizer = Callable[[bytes, bytes], Preamble | None]
_RANK = {"unknown": 0, "waiting": 1, "other": 2, "refused": 3, "tls": 4}
_FRAMINGS = {"gssapi-ftp": "ftp", "openvpn": "openvpn", "tds": "tds"}
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Prologue:
    """All that two directions say before TLS: the preambles, one after the other, and what came of them."""

    preambles: tuple[Preamble, ...]
    """In the order of the connection; empty where TLS begins at once."""
    state: State | Literal["unknown"]
    """waiting: more bytes are needed; tls: TLS begins at the offsets; refused, other: as the last preamble;
    unknown: what begins at the offsets is neither TLS nor a known preamble, and no more bytes will change it."""
    client: int
    """Bytes of the client's stream before the point that `state` is about."""
    server: int
    """Likewise of the server's stream."""
    swapped: bool = False
    """The side given as the client turned out to be the server: `client` and `server` mean the true ones."""

    @property
    def name(self) -> str | None:
        """The preambles' names, joined by `+`; None where there are none."""
        return "+".join(preamble.name for preamble in self.preambles) or None

    @property
    def is_settled(self) -> bool:
        """Whether it leads to no TLS, however many more bytes come."""
        return self.state in ("unknown", "other") or (self.state == "refused" and self.preambles[-1].final)

    @property
    def framing(self) -> str | None:
        """What TLS records are wrapped in, if they are; see `deframer`."""
        return self.preambles[-1].framing if self.preambles else None


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions, contiguous from the streams' start.

    To be called again as bytes arrive, with all of them. None is final: no known preamble begins like this.
    """
    best: Preamble | None = None
    for recognizer in _candidates(client[:1], server[:1]):
        preamble = recognizer(client, server)
        if preamble and (best is None or _worth(preamble) > _worth(best)):
            best = preamble
    return best


def follow(client: bytes, server: bytes, *, client_known: bool = True, ended: bool = False) -> Prologue:
    """Recognize one preamble after the other, until TLS begins or no more is to be told.

    Where it is not known who opened the connection, both ways are tried. To be called again with all bytes as
    they arrive, as long as the state is waiting or refused; the work is linear in the bytes, so that a caller who
    fears byte-sized segments waits until they have grown by a fraction, or the streams have `ended`. Then a
    request that the client followed up with TLS counts as granted where the capture holds no byte of the server.
    """
    prologue = _follow(client, server, ended)
    if client_known:
        return prologue
    exchanged = replace(_follow(server, client, ended), swapped=True)
    return max(prologue, exchanged, key=lambda found: (_RANK[found.state], len(found.preambles)))


def _worth(preamble: Preamble) -> tuple[int, bool, bool]:
    """A tunnel comes first: to a dialogue inside it, its head may look like a command of its own (`PROXY TCP4 …`)."""
    return _RANK[preamble.state], preamble.tunnel, preamble.asked > 0


def deframer(framing: str) -> Deframer:
    """A new deframer for one direction, to be fed from the offset where the prologue ends."""
    made: Deframer = Registry(__name__).load(_FRAMINGS[framing]).Deframer()
    return made


def _follow(client: bytes, server: bytes, ended: bool) -> Prologue:
    preambles: list[Preamble] = []
    sent = heard = 0
    while True:
        rest, answer = client[sent:], server[heard:]
        begins = (begins_tls(rest), begins_tls(answer))
        promised = bool(preambles) and not preambles[-1].tunnel
        if promised and preambles[-1].framing is None and begins[0] is False:
            return Prologue(tuple(preambles), "unknown", sent, heard)
        if promised or (True in begins and False not in begins):
            return Prologue(tuple(preambles), "tls", sent, heard)
        preamble = recognize(rest, answer) if len(preambles) < _DEEPEST else None
        if preamble is None:
            if begins[0]:
                return Prologue(tuple(preambles), "tls", sent, heard)
            return Prologue(tuple(preambles), "unknown" if False in begins else "waiting", sent, heard)
        preambles.append(preamble)
        sent += preamble.client
        heard += preamble.server
        if preamble.asked and ended and not server and begins_tls(rest[preamble.asked :]):
            return Prologue(tuple(preambles), "tls", sent + preamble.asked, 0)
        if preamble.state != "tls":
            return Prologue(tuple(preambles), preamble.state, sent, heard)


@cache
def _candidates(client: bytes, server: bytes) -> tuple[_Recognizer, ...]:
    """The preambles that can begin with these first bytes of either side; an empty side has said nothing yet."""
    if not client and not server:
        return ()
    return tuple(
        module.recognize
        for module in _modules()
        if server in module.SERVER and (client in module.CLIENT if client else module.GREETS)
    )


@cache
def _modules() -> list[ModuleType]:
    """The preambles of this folder, by name."""
    registry = Registry(__name__)
    return [registry.load(name) for name in registry.names()]
