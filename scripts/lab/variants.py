"""Which captures are others in disguise? One entry a variant: its base, and what befell that.

Computed from the bases, so that the same base yields the same bytes.
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab import transform as t
from lab.wire import Datagram, Section, Segment, frames, pcap, pcapng, read_datagrams, read_segments

SIX = {"192.0.2.10": "2001:db8::10", "198.51.100.7": "2001:db8:1::7"}


@dataclass(frozen=True, slots=True)
class Variant:
    """A capture made of another one."""

    base: str
    """Its name."""
    change: Callable[[list[Segment]], bytes]
    """From the base's segments to a file."""
    suffix: str = ".pcap"

    def make(self, captures: Path) -> bytes:
        """The file."""
        return self.change(read_segments(captures / f"{self.base}.pcap"))


@dataclass(frozen=True, slots=True)
class WithSecrets(Variant):
    """A pcapng file that holds the base's key log."""

    change: Callable[[list[Segment]], bytes] = lambda segments: b""
    suffix: str = ".pcapng"

    def make(self, captures: Path) -> bytes:
        """The file."""
        secrets = (captures / "keys" / f"{self.base}.keys").read_bytes()
        segments = read_segments(captures / f"{self.base}.pcap")
        return pcapng([Section(frames(segments), secrets=secrets)])


@dataclass(frozen=True, slots=True)
class OfDatagrams(Variant):
    """A capture made of one of datagrams."""

    change: Callable[[list[Segment]], bytes] = lambda segments: b""
    befalls: Callable[[list[Datagram]], list[Datagram]] = list

    def make(self, captures: Path) -> bytes:
        """The file."""
        return pcap(frames(self.befalls(read_datagrams(captures / f"{self.base}.pcap"))))


def two_sections(segments: list[Segment]) -> bytes:
    """The handshake goes on in a section with another byte order and resolution."""
    early = [frame._replace(time=frame.time + 789) for frame in frames(segments[:5])]
    return pcapng([Section(early, "<", 9), Section(frames(segments[5:]), ">", 6)])


VARIANTS: dict[str, Variant] = {
    # what the network does
    "out-of-order": Variant("mutual-tls12", lambda s: pcap(frames(t.reorder(t.split(s, 300))))),
    "retransmitted": Variant("mutual-tls12", lambda s: pcap(frames(t.retransmit(t.split(s, 300))))),
    "overlapping": Variant("mutual-tls12", lambda s: pcap(frames(t.contradict(t.split(s, 300))))),
    "wrap-around": Variant("mutual-tls13", lambda s: pcap(frames(t.wrap_around(s)))),
    "fragments": Variant("mutual-tls12", lambda s: pcap(frames(s, t.fragments))),
    "ipv6": Variant("mutual-tls13", lambda s: pcap(frames(t.readdress(t.split(s, 1440), SIX)))),
    # what the capturing does
    "gap": Variant("mutual-tls12", lambda s: pcap(frames(t.lose(t.split(s, 300), "server", 2)))),
    "snap-length": Variant("mutual-tls12", lambda s: pcap(frames(s), snap_length=96)),
    "server-only": Variant("mutual-tls12", lambda s: pcap(frames(t.only(s, "server")))),
    "no-beginning": Variant("mutual-tls12", lambda s: pcap(frames(t.without_beginning(s)))),
    "cut": Variant("mutual-tls12", lambda s: pcap(frames(s[:7]))[:-20]),
    # how it is wrapped
    "vlan": Variant("mutual-tls12", lambda s: pcap(frames(s, t.vlan))),
    "qinq": Variant("mutual-tls13", lambda s: pcap(frames(s, t.qinq))),
    "sll": Variant("mutual-tls12", lambda s: pcap(frames(s, t.sll), t.SLL)),
    "sll2": Variant("mutual-tls13", lambda s: pcap(frames(s, t.sll2), t.SLL2)),
    "raw-ip": Variant("requested-not-provided-tls13", lambda s: pcap(frames(s, t.raw), t.RAW)),
    "vxlan": Variant("mutual-tls12", lambda s: pcap(frames(t.split(s, 1400), t.vxlan))),
    "gre": Variant("mutual-tls13", lambda s: pcap(frames(t.split(s, 1400), t.gre))),
    "two-sections": Variant("mutual-tls12", two_sections, ".pcapng"),
    "embedded-secrets": WithSecrets("mutual-tls13"),
    "reordered-dtls12": OfDatagrams("lossy-dtls12", befalls=t.shuffle),
    "gap-dtls12": OfDatagrams("mutual-dtls12", befalls=lambda d: d[:4] + d[5:]),
    "compressed": Variant("one-way-tls13", lambda s: gzip.compress(pcap(frames(s)), mtime=0), ".pcap.gz"),
}
"""By the name of the capture."""
