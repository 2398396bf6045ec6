"""Reads a capture up to the facts of its handshakes, before any verdict is drawn."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

from analyzer import analysis, api
from analyzer.assembly import Assembler
from analyzer.results import HandshakeReport
from analyzer.secrets import Secrets
from analyzer.settings import Limits
from analyzer.tls import follower
from analyzer.tls.follower import Follower
from analyzer.tls.handshake import Handshake, Sent
from analyzer.tls.keylog import KeyLog
from analyzer.tls.keyring import Keyring
from analyzer.tls.record import Event
from analyzer.tls.session import Session


def handshakes(capture: Path | bytes, **options: Any) -> list[Handshake]:
    """All handshakes of a capture, in the order in which their connections end; `options` are those of `analyze`."""
    found: list[Handshake] = []

    class Collector(Assembler):
        def reports(self, follower: Follower, *rest: Any) -> list[HandshakeReport]:
            if follower.session is not None:
                found.extend(follower.session.handshakes)
            return super().reports(follower, *rest)

    with patch.object(analysis, "Assembler", Collector):
        api.analyze(capture if isinstance(capture, bytes) else str(capture), **options)
    return found


def rebuilt(handshake: Handshake, sent: list[Sent]) -> Handshake:
    """A handshake of the same connection in which this was sent."""
    made = Handshake(handshake.index, handshake.client_direction, handshake.first_frame, handshake.start)
    made.application_data = handshake.application_data
    for one in sent:
        if one.message is None:
            made.sent.append(one)
        else:
            made.take(one)
    return made


def events(capture: Path) -> list[Event]:
    """The records and holes of a capture's only TLS connection, in order, with all that they carry."""
    [found] = connections(capture)
    return found


def connections(capture: Path) -> list[list[Event]]:
    """The records and holes of each TLS connection of a capture, in the order in which these begin."""
    found: dict[Session, list[Event]] = {}

    class Collector(Session):
        def process(self, events: list[Event]) -> None:
            found.setdefault(self, []).extend(events)
            super().process(events)

    log = KeyLog()
    log.read([b"CLIENT_RANDOM " + b"00" * 32 + b" " + b"00" * 48])  # with a secret application data are copied too
    with patch.object(follower, "Session", Collector):
        api.analyze(str(capture), trust="none", keylog=Secrets(log))
    return list(found.values())


def keyring(keylog: Path) -> Keyring:
    """The secrets of a key log."""
    log = KeyLog()
    log.read(keylog.read_bytes().splitlines())
    return Keyring(log)


def session(events: list[Event], secrets: Keyring | None) -> list[Handshake]:
    """What a session makes of records, the first sender being the client."""
    made = Session(Limits(), 0, secrets)
    made.process(events)
    return made.handshakes
