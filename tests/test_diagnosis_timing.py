"""What was lost on the way is told as that, at either end of it; and a side is blamed for what it let pass."""

from dataclasses import replace

from forge import pcap
from talk import RAW_IP, Segment, tls12

from analyzer import api
from analyzer.results import Finding, HandshakeReport

SYN, ANSWER, ACK, HELLO, FLIGHT, KEYS, FINISHED = range(7)
"""The segments of the handshake."""
SEGMENTS = tls12().segments


def report(*seen: tuple[Segment, float]) -> HandshakeReport:
    """A capture of segments, each with the seconds at which it was seen."""
    frames = [replace(one.packet(), time=10**18 + round(at * 1e9)) for one, at in seen]
    [handshake] = api.analyze(pcap(frames, link_type=RAW_IP, nanoseconds=True), trust="none").handshakes
    return handshake


def finding(handshake: HandshakeReport, code: str) -> Finding | None:
    return next((one for one in handshake.findings if one.code == code), None)


def whole(*times: float) -> list[tuple[Segment, float]]:
    """The handshake, each of its segments at its time."""
    return list(zip(SEGMENTS, times, strict=True))


def part(index: int, begin: int, end: int | None = None) -> Segment:
    """A part of a segment in a segment of its own."""
    one = SEGMENTS[index]
    return replace(one, sequence=one.sequence + begin, payload=one.payload[begin:end])


def test_a_server_that_waits_is_certain_beside_it_and_likely_afar() -> None:
    """The way takes 100 ms."""
    beside = report(*whole(0, 0.00005, 0.1, 0.11, 1.61, 1.72, 1.725))
    assert finding(beside, "slow-handshake").confidence == "certain"
    assert "1.50 s of that the server let pass before server_hello" in finding(beside, "slow-handshake").summary
    afar = report(*whole(0, 0.1, 0.1001, 0.11, 1.71, 1.72, 1.82))
    assert finding(afar, "slow-handshake").confidence == "likely"
    assert "of the server arrived where the capture was made" in finding(afar, "slow-handshake").summary


def test_a_lost_flight_is_nobody_s_delay_where_it_is_sent_and_where_it_arrives() -> None:
    """Lost, and its tail is not: where it is sent it is sent again, where it arrives it comes late."""
    times = 0, 0.00005, 0.1, 0.11, 0.111
    sent = [*whole(*times, 2, 2.1)[:5], (SEGMENTS[FLIGHT], 0.33), (SEGMENTS[FLIGHT], 1.7)]
    there = report(*sent, (SEGMENTS[KEYS], 1.81), (SEGMENTS[FINISHED], 1.812))
    arrived = [*whole(0, 0.1, 0.1001, 0.102, 0, 0, 0)[:4], (part(FLIGHT, 500), 0.21), (SEGMENTS[FLIGHT], 1.76)]
    here = report(*arrived, (SEGMENTS[KEYS], 1.762), (SEGMENTS[FINISHED], 1.863))
    for handshake, waited in ((there, "1.59"), (here, "1.55")):
        assert handshake.outcome == "established"
        assert finding(handshake, "slow-handshake") is None
        assert f"for which the rest waited {waited} s" in finding(handshake, "retransmissions-delay-handshake").summary


def test_what_comes_twice_at_once_was_not_sent_again() -> None:
    """Duplicates of the network, and the captures of both ends in one file."""
    times = 0, 0.1, 0.1001, 0.11, 0.35, 0.36, 0.46
    for apart in (0.00001, 0.05):
        twice = sorted([*whole(*times), *((one, at + apart) for one, at in whole(*times))], key=lambda one: one[1])
        handshake = report(*twice)
        assert handshake.outcome == "established"
        assert finding(handshake, "retransmissions-delay-handshake") is None
