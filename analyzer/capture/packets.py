"""How does a list of Scapy's packets become a capture?"""

import sys
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeGuard

from analyzer.errors import UsageError

if TYPE_CHECKING:
    from scapy.plist import PacketList

_ETHERNET = 1


def is_packet_list(source: object) -> "TypeGuard[PacketList]":
    """Whether it is a `scapy.plist.PacketList`; Scapy is not imported to find out."""
    scapy: Any = sys.modules.get("scapy.plist")
    return scapy is not None and isinstance(source, scapy.PacketList)


def written(packets: "PacketList") -> bytes:
    """The pcap file that Scapy makes of the packets, with times to the nanosecond.

    Raises:
        UsageError: they are of several link types, which a pcap file cannot hold, or Scapy cannot build one.
    """
    from scapy.config import conf
    from scapy.utils import PcapWriter

    kinds = {packet.__class__ for packet in packets}
    if len({conf.l2types.layer2num.get(kind) for kind in kinds}) > 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise UsageError(f"packets of several link types ({names}): analyze one after the other")
    file = BytesIO()
    writer = PcapWriter(file, linktype=None if packets else _ETHERNET, nano=True)
    try:
        writer.write(packets)
    except Exception as error:  # whatever the layer of a half-made packet raises
        raise UsageError(f"Scapy cannot build a packet of the list: {type(error).__name__}: {error}") from error
    if not writer.header_present:
        writer.write_header(None)
    return file.getvalue()
