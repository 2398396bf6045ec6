"""What are the two ends of a conversation, as numbers and in words?"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from analyzer.results import Endpoint

RawEndpoint = tuple[int, int, int, int]
"""Family, upper and lower half of the address, and port."""
Ends = tuple[RawEndpoint, RawEndpoint]
"""Both, the lower one first: it sends in direction 0."""


@lru_cache(128)
def endpoint(family: int, high: int, low: int, port: int) -> Endpoint:
    """Address and port of a `RawEndpoint` as people write them."""
    address = IPv4Address(low) if family == 4 else IPv6Address(high << 64 | low)
    return Endpoint(str(address), port)
