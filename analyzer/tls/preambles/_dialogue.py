"""Line dialogues: the server greets, the client asks for TLS in a word, the server answers, TLS begins.

SMTP, LMTP, IMAP, POP3, FTP, NNTP and ManageSieve differ only in the data of a `Dialogue`. Commands and
replies are paired by order, as pipelining (RFC 2920) demands, in IMAP by tag. A capture that begins in
mid-dialogue may lack the greeting; but the last reply before the server's first TLS record is the answer anyway.
"""

import re
from collections import deque
from dataclasses import dataclass, replace

from analyzer.tls.preambles._preamble import Preamble, begins_tls, quote, waiting

NUMERIC_REPLY = re.compile(
    rb"(?P<tag>)(?P<word>[2-5]\d\d)(?:-[^\n]*\n(?:(?!(?P=word)[ \r\n])[^\n]*\n)*(?P=word))?(?: [^\n]*)?\r?\n"
)
"""A whole reply of SMTP or FTP (RFC 5321, section 4.2.1; RFC 959, section 4.2), of one line or several."""
NUMERIC_BEGINS = re.compile(rb"[1-5](?:\d(?:\d(?:[ \-\r\n]|\Z)|\Z)|\Z)")

_DONE = re.compile(rb"(?i:2|\+?OK)")
"""Reply words of success."""
_GOES_ON = re.compile(rb"3|\+\Z")
"""Those of half a success: the client's next line is the rest of its command, as of AUTH (RFC 4954, section 4)."""
_FAILED = re.compile(rb"(?i:4|5|-ERR|NO|BAD|BYE)")
"""Those of failure."""
_LINE = 8192
_MOST_COMMANDS = 256
_MOST_LINES = 4096
_FIRST_LINE = re.compile(rb"[^\x00-\x08\x0a-\x1f]{0,8192}\r?(?:\n|\Z)")
_TEXT = re.compile(rb"(?![2-5]\d\d-)[^\x00-\x08\x0b-\x0c\x0e-\x1f\n]{0,8192}\n")
_COMMAND = re.compile(rb"(?P<tag>)(?P<line>[^\x00-\x08\x0a-\x1f]{0,8192})\r?\n")
_TAGGED = re.compile(rb"(?:(?P<tag>[^\x00-\x20]{1,64}) )?(?P<line>[^\x00-\x08\x0a-\x1f]{0,8192})\r?\n")


def words(*commands: str) -> re.Pattern[bytes]:
    """Matches a line that begins with one of the commands, or data that ends within it."""
    parts = {re.escape(command[:end]) for command in commands for end in range(1, len(command) + 1)}
    return re.compile(f"(?i:(?:{'|'.join(commands)})(?=[ \r\n])|(?:{'|'.join(sorted(parts))})\\Z)".encode())


@dataclass(frozen=True, slots=True)
class Dialogue:
    """What tells one line protocol from the others."""

    name: str
    """The preamble's name."""
    opens: re.Pattern[bytes]
    """First commands of a client that speaks this protocol and no other."""
    begins: re.Pattern[bytes]
    """How the server's bytes may begin, even if cut or without the greeting."""
    greeting: re.Pattern[bytes]
    """A greeting that is enough to go by while the client's first command is not known."""
    greets: frozenset[bytes]
    """Reply words of a greeting; any other first reply answers a command."""
    asks: re.Pattern[bytes]
    """Commands that ask for TLS."""
    accepts: frozenset[bytes]
    """Reply words that grant it."""
    leaves: re.Pattern[bytes]
    """Commands that, once they succeed, commit the session to clear text, unless the next one asks for TLS."""
    reply: re.Pattern[bytes] = NUMERIC_REPLY
    """One whole reply, with the groups `tag` and `word`."""
    tagged: bool = False
    """Every command begins with a tag that its reply repeats (RFC 9051, section 2.2.1)."""


def converse(dialogue: Dialogue, client: bytes, server: bytes) -> Preamble | None:
    """Follow the dialogue as far as the bytes go; None where the bytes are not of this protocol."""
    if not _is_spoken(dialogue, client, server):
        return None
    replies, last = _replies(dialogue, server)
    closing = last if last and _grants(dialogue, last) and begins_tls(server[last.end() :]) else None
    identified = dialogue.opens.match(client)
    refusal: Preamble | None = None
    in_clear: Preamble | None = None
    pattern = _TAGGED if dialogue.tagged else _COMMAND
    request = ""
    left = b""
    position = commands = asked = 0
    while command := pattern.match(client, position):
        position = command.end()
        commands += 1
        if commands > _MOST_COMMANDS:
            says = f"The session goes on in clear: none of {_MOST_COMMANDS} commands led to TLS."
            return _in_clear(refusal, Preamble(dialogue.name, "other", position, 0, says))
        asks = dialogue.asks.match(command["line"])
        if in_clear and not asks:
            return _in_clear(refusal, in_clear)
        if asks and closing and begins_tls(client[position : position + 5]) is not False:
            return _accepted(dialogue, command, closing)
        queue = replies.get(command["tag"] or b"")
        if not queue:
            if asks:
                asked, request = position, f"sent {_text(command)}"
            continue
        reply = queue.popleft()
        if asks and _grants(dialogue, reply):
            return _accepted(dialogue, command, reply)
        if asks and _FAILED.match(reply["word"]):
            says = f"The server declined {_text(command)}: {quote(reply.group())}"
            refusal = Preamble(dialogue.name, "refused", position, reply.end(), says)
        elif asks:  # This reply is another command's: one came that nobody had asked for.
            asked, request = position, f"sent {_text(command)}"
        else:
            left = left or _leaving(dialogue, command)
            if left and identified and _DONE.match(reply["word"]):
                says = f"The session goes on in clear: the server accepted {quote(left).upper()} without TLS."
                in_clear = Preamble(dialogue.name, "other", position, reply.end(), says)
            if not _GOES_ON.match(reply["word"]):
                left = b""
    if in_clear and not _FIRST_LINE.match(client, position):
        return _in_clear(refusal, in_clear)
    # Behind a login, too, the next command may ask.
    return refusal or waiting(dialogue.name, asked, request)


def _is_spoken(dialogue: Dialogue, client: bytes, server: bytes) -> bool:
    """Whether the bytes can be of this protocol."""
    if not _FIRST_LINE.match(client) or (server and not dialogue.begins.match(server)):
        return False
    if dialogue.opens.match(client):
        return True
    if b"\n" not in server[:_LINE]:
        return 0 < len(server) < _LINE
    return dialogue.greeting.match(server) is not None


def _replies(dialogue: Dialogue, server: bytes) -> tuple[dict[bytes, deque[re.Match[bytes]]], re.Match[bytes] | None]:
    """All whole replies but the greeting, by tag and in order, and the last of them; bytes that are not text end it."""
    found: dict[bytes, deque[re.Match[bytes]]] = {}
    last: re.Match[bytes] | None = None
    position = 0
    for _ in range(_MOST_LINES):
        if match := dialogue.reply.match(server, position):
            if last or match["word"].upper() not in dialogue.greets:
                found.setdefault(match["tag"], deque()).append(match)
            last = match
        elif not (match := _TEXT.match(server, position)):
            break
        position = match.end()
    return found, last


def _grants(dialogue: Dialogue, reply: re.Match[bytes]) -> bool:
    return reply["word"].upper() in dialogue.accepts


def _leaving(dialogue: Dialogue, command: re.Match[bytes]) -> bytes:
    """The word of a command that commits the session to clear text; empty where it does not."""
    return command["line"].split()[0] if dialogue.leaves.match(command["line"]) else b""


def _in_clear(refusal: Preamble | None, found: Preamble) -> Preamble:
    """The session goes on in clear; what is worth telling is that TLS had been declined before."""
    return replace(refusal, final=True) if refusal else found


def _accepted(dialogue: Dialogue, command: re.Match[bytes], reply: re.Match[bytes]) -> Preamble:
    says = f"The client sent {_text(command)} and the server agreed: {quote(reply.group())}"
    return Preamble(dialogue.name, "tls", command.end(), reply.end(), says)


def _text(command: re.Match[bytes]) -> str:
    return quote(command["line"]).upper()
