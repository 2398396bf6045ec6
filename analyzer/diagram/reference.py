"""What do the two textbook handshakes look like? Drawn from the transition table that the engine walks along.

Which message follows which is read from `analyzer.tls.states`; words and notes are those of captured handshakes.
"""

import tomllib
from dataclasses import replace
from importlib.resources import files
from typing import Any, Literal

from analyzer.diagram.captured import numbered
from analyzer.diagram.events import Event, merged
from analyzer.diagram.sequence import Diagram, Line, Participant, Step
from analyzer.diagram.story import Story
from analyzer.diagram.words import CONCLUSIONS
from analyzer.errors import UsageError
from analyzer.results import Endpoint, HandshakeReport, Sender
from analyzer.tls import states
from analyzer.tls.registry import suite

Authentication = Literal["one-way", "mutual"]
Version = Literal["1.2", "1.3"]
KeyExchange = Literal["rsa", "ecdhe"]

_PROFILES = "analyzer.diagnosis.profiles"
_SUITES = {"rsa": 0x009C, "ecdhe": 0xC02F, "1.3": 0x1301}
"""TLS_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 and TLS_AES_128_GCM_SHA256."""
_OPTIONAL = frozenset(
    ("hello_verify_request", "hello_retry_request", "certificate_status", "new_session_ticket", "end_of_early_data")
)
"""Messages of the table without which the textbook does."""
_SHARE = Line("key share", "its half of the Diffie-Hellman exchange")
_CARRIES: dict[str, tuple[Line, ...]] = {
    "client-client_hello": (
        Line("versions", "that it can speak"),
        Line("cipher suites", "that it can use"),
        Line("client random", "32 bytes, new each time"),
        Line("server name", "whom it wants to reach"),
    ),
    "server-server_hello": (
        Line("version", "the highest that both can speak"),
        Line("cipher suite", "one of the client's"),
        Line("server random", "32 bytes, new each time"),
    ),
    "server-certificate_request": (
        Line("schemes", "of signatures that it can verify"),
        Line("authorities", "names of the CAs that it accepts; may be empty"),
    ),
    "client-certificate": (Line("", "It may be self-signed, where the server allows that; empty, it declines"),),
}
_CARRIES_TLS13: dict[str, tuple[Line, ...]] = {
    "client-client_hello": (*_CARRIES["client-client_hello"], _SHARE),
    "server-server_hello": (*_CARRIES["server-server_hello"], _SHARE),
}
_TRAFFIC = (Line("", "Encrypted with the session keys, in both directions"),)


def reference(
    authentication: Authentication,
    version: Version = "1.2",
    key_exchange: KeyExchange = "rsa",
    *,
    profile: str | None = None,
    party: Sender = "server",
) -> Diagram:
    """The textbook's handshake; TLS 1.3 knows no key exchange by RSA, there the choice is ignored.

    A profile puts a product's name and rules into the picture; `party` is the side on which that product stands.

    Raises:
        UsageError: there is no such profile, or it has no words for diagrams.
    """
    tls13 = version == "1.3"
    report = HandshakeReport(
        capture="",
        stream=0,
        display_filter="",
        first_frame=0,
        last_frame=0,
        start=0,
        duration=None,
        client=Endpoint("", 0),
        server=Endpoint("", 0),
        version=f"TLSv{version}",
        alpn="http/1.1",
        outcome="established",
        authentication=authentication,
    )
    sent = merged(_sent(authentication == "mutual", tls13, key_exchange), report)
    story = Story(report, sent, suite(_SUITES["1.3" if tls13 else key_exchange]))
    carries = _CARRIES | _CARRIES_TLS13 if tls13 else _CARRIES
    words = _profile(profile, party, authentication) if profile else {}
    said: dict[str, str] = words.get("steps", {})
    steps = [_blank(step, carries, said) for step in story.steps()]
    steps.append(Step(kind="end", key="end", title=CONCLUSIONS[authentication], tone="good"))
    name = "TLS 1.3" if tls13 else f"TLS 1.2, {key_exchange.upper()} key exchange"
    title = f"{authentication.capitalize()} {name}"
    return Diagram(
        title=f"{title}: {words['title']}" if words else title,
        subtitle="The textbook handshake",
        client=Participant(**words.get("client", {"role": "Client"})),
        server=Participant(**words.get("server", {"role": "Server"})),
        steps=numbered(steps),
        captions=tuple(words.get("captions", ())),
    )


def path(mutual: bool, tls13: bool, key_exchange: KeyExchange = "rsa") -> list[states.Transition]:
    """The way through the transition table from its start to an established connection."""
    table = states.TLS13 if tls13 else states.TLS12
    skipped = _OPTIONAL | ({"server_key_exchange"} if key_exchange == "rsa" else frozenset())
    rows: list[states.Transition] = []
    state = states.START
    while state != states.ESTABLISHED:
        row = next(
            row
            for row in states.awaited(table, state)
            if row.message not in skipped and (mutual or not row.mutual) and row.stage != "resumption"
        )
        rows.append(row)
        state = row.then
    return rows


def _sent(mutual: bool, tls13: bool, key_exchange: KeyExchange) -> list[Event]:
    made = []
    encrypted: set[Sender] = set()
    for row in path(mutual, tls13, key_exchange):
        hidden = row.sender in encrypted
        made.append(_event((row.message,), row.sender, hidden))
        if row.message == "change_cipher_spec" or (tls13 and row.message == "server_hello"):
            encrypted |= {"client", "server"} if tls13 else {row.sender}
    made.append(_event(("application_data",), None, True))
    return made


def _event(names: tuple[str, ...], sender: Sender | None, hidden: bool) -> Event:
    protection: Literal["encrypted", "cleartext"] = "encrypted" if hidden else "cleartext"
    return Event(names=names, sender=sender, frame=0, last_frame=0, time=0.0, last_time=0.0, protection=protection)


def _blank(step: Step, carries: dict[str, tuple[Line, ...]], said: dict[str, str]) -> Step:
    """Without what only a capture knows, with what the textbook and the profile say instead."""
    key = f"{step.sender}-{step.key}" if step.kind == "message" and step.sender else step.key
    lines = _TRAFFIC if step.key == "application_data" else carries.get(key, ())
    meaning = step.meaning
    if key in said:
        lines = tuple(line for line in lines if line.label)
        meaning += f" {said[key]}" if meaning.endswith("?") else f". {said[key]}"
    return replace(step, meaning=meaning, lines=lines, frame=None, last_frame=None, time=None)


def _profile(name: str, party: Sender, authentication: Authentication) -> dict[str, Any]:
    """What a profile says about this picture."""
    file = files(_PROFILES).joinpath(f"{name}.toml")
    if not name.isidentifier() or not file.is_file():
        raise UsageError(f"{name}: there is no such profile")
    diagrams = tomllib.loads(file.read_text(encoding="utf-8")).get("diagram", {})
    try:
        found: dict[str, Any] = diagrams[party][authentication]
    except KeyError:
        raise UsageError(f"{name}: this profile has no words for such a diagram") from None
    return found
