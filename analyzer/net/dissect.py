"""What follows headers that the columns do not know? Scapy dissects them, one header at a time.

It stops where something follows that the columns know: IP, TCP and UDP never reach it. Scapy is imported when
the first frame needs it, and never `scapy.all`.
"""

import importlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import FrameBatch
from analyzer.issues import Issues
from analyzer.net import pseudo
from analyzer.net.layers import Layer, Packets
from analyzer.net.links import ETHERNET, IPV4, IPV6, LLC, MPLS, PPP

Announced = tuple[str, int]
"""What announces a header, and by which number."""

HEADERS: dict[Announced, str | Callable[[bytes], pseudo.Found]] = {
    ("link type", 6): pseudo.token_ring,
    ("link type", 50): pseudo.ppp_or_hdlc,
    ("link type", 105): "layers.dot11.Dot11",
    ("link type", 107): pseudo.frame_relay,
    ("link type", 117): pseudo.packet_filter_log,
    ("link type", 119): "layers.dot11.PrismHeader",
    ("link type", 127): "layers.dot11.RadioTap",
    ("link type", 149): pseudo.pktap,
    ("link type", 163): "contrib.avs.AVSWLANHeader",
    ("link type", 178): pseudo.juniper_ethernet,
    ("link type", 179): pseudo.juniper_ppp,
    ("link type", 180): pseudo.juniper_frame_relay,
    ("link type", 181): pseudo.juniper_hdlc,
    ("link type", 192): "layers.ppi.PPI",
    ("link type", 239): pseudo.netfilter_log,
    ("link type", 258): pseudo.pktap,
    ("ethertype", 0x22F3): pseudo.trill,
    ("ethertype", 0x883E): pseudo.web_cache,
    ("ethertype", PPP): "layers.ppp.PPP",
    ("ethertype", MPLS): "contrib.mpls.MPLS",
    ("ethertype", 0x8848): "contrib.mpls.MPLS",
    ("ethertype", 0x894F): pseudo.service_header,
    ("IP protocol", 47): "layers.l2.GRE",
    ("UDP port", 1701): "layers.l2tp.L2TP",
    ("UDP port", 2152): "contrib.gtp.GTPHeader",
    ("UDP port", 3544): pseudo.teredo,
    ("UDP port", 4341): pseudo.lisp,
    ("UDP port", 4754): "layers.l2.GRE",
    ("UDP port", 4789): "layers.vxlan.VXLAN",
    ("UDP port", 4790): "layers.vxlan.VXLAN",
    ("UDP port", 5247): pseudo.capwap,
    ("UDP port", 6081): "contrib.geneve.GENEVE",
    ("UDP port", 6635): "contrib.mpls.MPLS",
    ("UDP port", 37008): pseudo.tazmen,
}
"""The headers that lead to IP, as modules and classes below `scapy`; the ports are those that Wireshark knows."""

SECOND_OPINION: dict[Announced, str] = {
    ("link type", 0): "layers.l2.Loopback",
    ("link type", 1): "layers.l2.Ether",
    ("link type", 9): "layers.ppp.PPP",
    ("link type", 51): "layers.ppp.PPPoE",
    ("link type", 101): "layers.inet6.IPv46",
    ("link type", 104): "contrib.chdlc.CHDLC",
    ("link type", 108): "layers.l2.LoopbackOpenBSD",
    ("link type", 113): "layers.l2.CookedLinux",
    ("link type", 204): "layers.ppp.DIR_PPP",
    ("link type", 276): "layers.l2.CookedLinuxV2",
}
"""What the columns know and Scapy too."""

MAX_HEADERS = 16
"""Headers that Scapy dissects before something must follow that the columns know."""

MAX_REMEMBERED = 1024
"""Headers of a kind whose dissection is remembered."""

LONGEST_REMEMBERED = 128
"""Bytes of the longest of them."""

_LONGEST = 1 << 16
_LOOKAHEAD = 2
"""Bytes behind a header by which some tell what follows; MPLS looks at two."""
_IP = {"layers.inet.IP": IPV4, "layers.inet6.IPv6": IPV6, "layers.inet6.IPv46": IPV4}
_BELOW_IP = {
    "layers.l2.Ether": ETHERNET,
    "layers.l2.Dot1Q": 0x8100,
    "layers.l2.Dot1AD": 0x88A8,
    "layers.l2.LLC": LLC,
}
_BINDINGS = ("contrib.erspan", "contrib.mpls", "layers.ppp")
"""Modules that tell Scapy what may follow GRE and PPP."""


class Dissector:
    """Passes over headers; `to_ip` has Scapy dissect also what the columns know, up to IP."""

    def __init__(self, issues: Issues, *, to_ip: bool = False) -> None:
        self._issues = issues
        self._headers = {**HEADERS, **SECOND_OPINION} if to_ip else HEADERS
        self._stop_at = _IP if to_ip else _IP | _BELOW_IP
        self._known: dict[Any, int] = {}
        self._results: dict[Announced, dict[int, dict[bytes, tuple[int, int]]]] = {}

    def knows(self, announced: Announced) -> bool:
        """Something can be said of what `announced` announces."""
        return announced in self._headers

    def pass_over(self, batch: FrameBatch, buffer: NDArray[np.uint8], announced: Announced, layer: Layer) -> Packets:
        """What follows the headers that begin the rows of `layer`; no row where nothing does that leads to IP."""
        known = self._results.setdefault(announced, {})
        view = buffer.data
        rows, offsets, ethertypes = [], [], []
        for i, (start, end) in enumerate(zip(layer.offset.tolist(), layer.end.tolist(), strict=True)):
            data = bytes(view[start : min(end, start + _LONGEST)])
            if not data:
                continue
            for length, results in known.items():
                found = results.get(data[:length])
                if found is not None:
                    break
            else:
                found = self._follow(announced, data, int(batch.number[layer.row[i]]))
            if found is not None:
                rows.append(i)
                ethertypes.append(found[0])
                offsets.append(start + found[1])
        index = np.array(rows, np.int64)
        return Packets(
            row=layer.row[index],
            offset=np.array(offsets, np.int64),
            end=layer.end[index],
            wire_end=layer.wire_end[index],
            ethertype=np.array(ethertypes, np.uint16),
            quoted=np.zeros(len(index), bool),
        )

    def _follow(self, announced: Announced, data: bytes, frame: int) -> pseudo.Found:
        """What follows the headers at the start of `data`, which is remembered: most of them come again."""
        header = self._headers[announced]
        try:
            if isinstance(header, str):
                with _quiet():
                    found = self._dissect(self._load(header), data)
            else:
                found = header(data)
        except Exception as error:  # Scapy, and bytes that end too early, raise about anything.
            message = f"what {announced[0]} {announced[1]} announces cannot be read ({type(error).__name__})"
            self._issues.add("frame-not-dissected", message, frame=frame)
            return None
        results = self._results[announced]
        if found is not None and found[1] <= LONGEST_REMEMBERED:
            if sum(map(len, results.values())) >= MAX_REMEMBERED:
                results.clear()
            length = found[1] + _LOOKAHEAD
            results.setdefault(length, {})[data[:length]] = found
        return found

    def _dissect(self, header: Any, data: bytes) -> pseudo.Found:
        """What `header(data)` does, but one header at a time and only as far as needed."""
        position = 0
        below = None
        for _ in range(MAX_HEADERS):
            if "dispatch_hook" in vars(header):
                header = header.dispatch_hook(data)
            if header in self._known:
                return self._known[header], position
            if not _leads_on(header):
                break
            layer = header(_underlayer=below)
            layer.original = data
            rest = layer.post_dissect(layer.do_dissect(layer.pre_dissect(data)))
            # A header may have a trailer too (802.11): what is left need not be the data's end.
            position += len(data) - len(rest) if data.endswith(rest) else data.index(rest)
            data, _ = layer.extract_padding(rest)
            if not data or (layer.name in ("802.11", "802.11-FCS") and layer.type != 2):  # of Wi-Fi only data frames
                return None
            header = layer.guess_payload_class(data)
            below = layer
        if below is not None and below.name in ("GRE", "GENEVE"):  # They have an ethertype, which we may know.
            return below.proto, position
        return None

    def _load(self, path: str) -> Any:
        """A class of Scapy, with all that Scapy must know to go on from it."""
        if not self._known:
            for name in _BINDINGS:
                importlib.import_module(f"scapy.{name}")
            self._known = {_scapy(name): ethertype for name, ethertype in self._stop_at.items()}
        return _scapy(path)


def _leads_on(header: Any) -> bool:
    """Something may follow a header of that class."""
    own = _scapy("packet.Packet").guess_payload_class
    return header.guess_payload_class is not own or any(kind.payload_guess for kind in header.aliastypes)


def _scapy(path: str) -> Any:
    module, name = path.rsplit(".", 1)
    return getattr(importlib.import_module(f"scapy.{module}"), name)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Scapy's complaints: it has issues of its own with packets of other people."""
    import logging

    loggers = [logging.getLogger(name) for name in ("scapy.runtime", "scapy.loading")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
