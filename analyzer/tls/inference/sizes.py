"""How long is each protected record of TLS 1.3's flights, and what do lengths tell?"""

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import gcd
from typing import Literal, NamedTuple

from analyzer.results import Evidence, Sender
from analyzer.tls.handshake import Handshake, Sent

JSSE_PADDING = 16
"""Zeros that Java's JSSE puts behind the content of each record."""
SMALLEST_CERTIFICATE = 110
"""Smaller than a record with any Certificate that carries a key, larger than any flight without one."""
SMALLEST_PACKED_ANSWER = 450
"""Likewise with an X.509 certificate, its signature and Finished; and larger than most other records."""
FULL_RECORD = (1 << 14) + 1
"""Content and its type, of the largest record."""
PATIENCE = 5 * 10**9
"""Nanoseconds in which a server refuses the client's flight; later it may have waited for a request in vain."""
COMPARED = 24
"""So many records of a side are looked at for its flight."""
_BLOCKS = (4096, 2048, 1024, 512, 256, 128, 64, 32)

Answer = Literal["not-asked", "declined", "presented", "refused-server", "unknown"]


@dataclass(frozen=True, eq=False)
class Sizes:
    """Lengths of protected records, as in their headers, under one cipher suite."""

    hash_length: int
    tag_length: int
    padding: int = 0

    def of(self, content: int) -> int:
        """Length of a record with so many bytes of content."""
        return content + 1 + self.padding + self.tag_length

    @cached_property
    def finished(self) -> int:
        """A Finished alone."""
        return self.of(4 + self.hash_length)

    @cached_property
    def empty_certificate(self) -> int:
        """A Certificate without entries."""
        return self.of(8)

    @cached_property
    def declined(self) -> int:
        """An empty Certificate and Finished in one record."""
        return self.of(12 + self.hash_length)

    @cached_property
    def alert(self) -> int:
        """An alert."""
        return self.of(2)

    @cached_property
    def end_of_early_data(self) -> int:
        """An EndOfEarlyData."""
        return self.of(4)


class Expected(NamedTuple):
    """Lengths of protected records under one cipher suite, whoever sends them."""

    both: tuple[Sizes, Sizes]
    """Without padding, and with that of JSSE."""
    finished: dict[int, Sizes]
    """By the length of a Finished."""
    alerts: frozenset[int]
    """The lengths of an alert."""


@lru_cache
def expected(hash_length: int, tag_length: int) -> Expected:
    """The lengths that most stacks give to records, and those of JSSE."""
    both = Sizes(hash_length, tag_length), Sizes(hash_length, tag_length, JSSE_PADDING)
    return Expected(both, {size.finished: size for size in both}, frozenset([size.alert for size in both]))


@dataclass(slots=True)
class Inference:
    """What the sizes tell, and the arithmetic behind it."""

    answer: Answer = "unknown"
    """Of the client's first flight."""
    asked: bool | None = None
    """Whether the server's flight holds a CertificateRequest; None where it does not tell."""
    accepted: bool | None = None
    """Whether the server went on after the client's flight (False: it sent an alert instead); None: not seen."""
    afterwards: Literal["presented", "declined", "unknown"] | None = None
    """What looks like the client's answer to a request after the handshake (RFC 8446, section 4.6.2)."""
    answered: bool = False
    """The client sent protected records behind the server's flight."""
    presented: bool | None = None
    """Whether the client sent a certificate, where the sizes tell no more than that."""
    unclear: bool = False
    """What the server sent behind the client's flight may be an alert or something else, by its padding."""
    cut: Sent | None = None
    """The alert with which the server broke off its flight."""
    client_finished: Sent | None = None
    """The record with the client's Finished."""
    alert: Sent | None = None
    """The record that must be the alert by which either side refused the other."""
    roles: dict[int, str] = field(default_factory=dict)
    """By position in `Handshake.sent`: the messages that a protected record must hold."""
    flights: set[int] = field(default_factory=set)
    """Positions of all records of the two flights, as far as is known."""
    reasons: list[Evidence] = field(default_factory=list)
    """The arithmetic in words."""

    def because(self, sent: Sent | None, sender: Sender, says: str) -> None:
        """Add a piece of arithmetic, about a record or about the lack of one."""
        self.reasons.append(Evidence(sent.frame if sent else None, sender, None, says))


Records = list[tuple[int, Sent]]
"""Protected records with their positions in `Handshake.sent`."""


def are_padded(records: Records, sender: Sender, tag: int, result: Inference) -> bool:
    """Whether the content of all records of a side is a multiple of some block: its sizes then tell nothing.

    A Finished that is not padded never is such a multiple.
    """
    contents = {sent.length - tag for _, sent in records[:COMPARED] if sent.length > tag}
    contents.discard(FULL_RECORD)
    common = gcd(*contents)
    block = next((block for block in _BLOCKS if contents and common % block == 0), None)
    if block is not None:
        says = f"The {sender}'s protected records hold multiples of {block} bytes, as padding makes them."
        result.because(records[0][1], sender, f"{says} Their sizes tell nothing.")
    return block is not None


def has_psk(handshake: Handshake) -> bool:
    """Whether the server took a pre-shared key: then there are no certificates."""
    return handshake.server_hello is not None and handshake.server_hello.selected_psk is not None


def began(sent: Sent) -> int:
    """The frame in which it begins."""
    return sent.first_frame or sent.frame
