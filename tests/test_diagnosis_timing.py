"""What was lost on the way is told as that, at either end of it; and a side is blamed for what it let pass."""

from dataclasses import replace

from forge import pcap
from talk import (
    APPLICATION_DATA,
    CCS,
    CLIENT_KEY_EXCHANGE,
    ENCRYPTED_FINISHED,
    RAW_IP,
    SERVER_HELLO_DONE,
    SERVER_KEY_EXCHANGE,
    Segment,
    Talk,
    certificate,
    client_hello,
    handshake,
    record,
    server_hello,
    tls12,
)

from analyzer import api
from analyzer.results import Finding, HandshakeReport

SYN, ANSWER, ACK, HELLO, FLIGHT, KEYS, FINISHED = range(7)
"""The segments of the handshake."""
SEGMENTS = tls12().segments


def report(*seen: tuple[Segment, float]) -> HandshakeReport:
    """A capture of segments, each with the seconds at which it was seen."""
    frames = [replace(one.packet(), time=10**18 + round(at * 1e9)) for one, at in seen]
    [made] = api.analyze(pcap(frames, link_type=RAW_IP, nanoseconds=True), trust="none").handshakes
    return made


def finding(made: HandshakeReport, code: str) -> Finding | None:
    return next((one for one in made.findings if one.code == code), None)


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


def test_nobody_is_blamed_for_a_gap_in_which_the_capture_lacks_something() -> None:
    """The client's late answer is cut, so that the server's Finished seems to come late: both send data behind it."""
    data = record(APPLICATION_DATA, bytes(60))
    talk = tls12().send("client", data).send("server", data)
    times = 0, 0.00005, 0.1, 0.11, 0.111, 1.71, 1.712, 1.82, 1.821
    made = report(*zip(talk.segments, times, strict=True))
    assert "before client_key_exchange of the client" in finding(made, "slow-handshake").summary
    talk.segments[KEYS] = replace(talk.segments[KEYS], captured=0)
    made = report(*zip(talk.segments, times, strict=True))
    assert made.outcome == "established"
    assert made.duration > 1.7
    assert finding(made, "slow-handshake") is None


def test_a_lost_flight_is_nobody_s_delay_where_it_is_sent_and_where_it_arrives() -> None:
    """Lost, and its tail is not: where it is sent it is sent again, where it arrives it comes late."""
    times = 0, 0.00005, 0.1, 0.11, 0.111
    sent = [*whole(*times, 2, 2.1)[:5], (SEGMENTS[FLIGHT], 0.33), (SEGMENTS[FLIGHT], 1.7)]
    there = report(*sent, (SEGMENTS[KEYS], 1.81), (SEGMENTS[FINISHED], 1.812))
    arrived = [*whole(0, 0.1, 0.1001, 0.102, 0, 0, 0)[:4], (part(FLIGHT, 500), 0.21), (SEGMENTS[FLIGHT], 1.76)]
    here = report(*arrived, (SEGMENTS[KEYS], 1.762), (SEGMENTS[FINISHED], 1.863))
    for made, waited in ((there, "1.59"), (here, "1.55")):
        assert made.outcome == "established"
        assert finding(made, "slow-handshake") is None
        assert f"for which the rest waited {waited} s" in finding(made, "retransmissions-delay-handshake").summary


def test_what_comes_twice_at_once_was_not_sent_again() -> None:
    """Duplicates of the network, and the captures of both ends in one file."""
    times = 0, 0.1, 0.1001, 0.11, 0.35, 0.36, 0.46
    for apart in (0.00001, 0.05):
        twice = sorted([*whole(*times), *((one, at + apart) for one, at in whole(*times))], key=lambda one: one[1])
        made = report(*twice)
        assert made.outcome == "established"
        assert finding(made, "retransmissions-delay-handshake") is None


# ---- path-MTU black holes

MSS = 1448
HELLO_BYTES = handshake(client_hello(tls13=False), version=0x0301)
FLIGHT_BYTES = handshake(server_hello(0xC02F, tls13=False), certificate(2000), SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE)
ANSWER_BYTES = handshake(certificate(2000), CLIENT_KEY_EXCHANGE) + CCS + ENCRYPTED_FINISHED
Seen = list[tuple[Segment, float]]


def opened() -> tuple[Talk, Seen]:
    """A connection with a ClientHello, that the server acknowledges."""
    talk = Talk(size=MSS).open().send("client", HELLO_BYTES).acknowledge("server")
    return talk, list(zip(talk.segments, (0, 0.01, 0.0101, 0.011, 0.021), strict=True))


def in_vain(
    sender: str,
    *,
    arrives: int = 0,
    fins: tuple[float, ...] = (8.0,),
    until: float = 10.0,
    tries: int = MSS,
    tail: bool = True,
    beside: bool = True,
) -> HandshakeReport:
    """The flight of a side is lost but for its small end (or with its `tail`), and its beginning sent again and again.

    The peer acknowledges `arrives` bytes of it, and closes. Then a FIN is acknowledged, or sent again. `beside`: the
    capture is made where the flight is sent, the last time in a segment of `tries` bytes.
    """
    talk, seen = opened()
    peer = "client"
    if sender == "client":
        peer = "server"
        before = len(talk.segments)
        talk.send("server", FLIGHT_BYTES).acknowledge("client")
        seen += [(one, 0.022) for one in talk.segments[before:]]
    begin, before = talk.sequence[sender], len(talk.segments)
    talk.send(sender, FLIGHT_BYTES if sender == "server" else ANSWER_BYTES)
    flight, behind = talk.segments[before:], talk.sequence[sender]
    lost = [one for one in flight if one.sequence - begin >= arrives]
    arrived = [one for one in flight if one.sequence - begin < arrives] + (flight[-1:] if tail else [])
    seen += [(one, 0.03) for one in (flight if beside else arrived)]
    before, talk.sequence[sender] = len(talk.segments), begin + arrives
    talk.fin(peer)
    talk.sequence[sender] = behind
    talk.acknowledge(sender)
    fin, answer = talk.segments[before:]
    if beside:
        seen += [(lost[0], at) for at in (0.3, 0.7, 1.5, 3.1, 6.3)]
        seen += [(replace(lost[0], payload=lost[0].payload[:tries], acknowledgment=answer.acknowledgment), until)]
    seen += [(fin, at) for at in fins] + [(answer, at + 0.0001) for at in fins]
    return report(*sorted(seen, key=lambda one: one[1]))


def black_hole(made: HandshakeReport) -> tuple[str, str] | None:
    """How sure it is, and the way."""
    found = finding(made, "path-mtu-black-hole")
    return None if found is None else (found.confidence, " ".join(found.summary.split()[3:6]))


def test_a_black_hole_is_likely_at_either_end_and_either_way() -> None:
    for sender in ("server", "client"):
        for beside in (True, False):
            made = in_vain(sender, beside=beside)
            assert black_hole(made) == ("likely", f"from the {sender}")


def test_what_the_numbers_of_acknowledgments_tell_to_be_missing_is_a_black_hole_too() -> None:
    for sender in ("server", "client"):
        assert black_hole(in_vain(sender, beside=False, tail=False)) == ("likely", f"from the {sender}")
        assert black_hole(in_vain(sender, beside=False, tail=False, fins=(1.0,))) is None
        assert black_hole(in_vain(sender, beside=False, tail=False, arrives=MSS)) is None


def test_a_sender_that_tries_smaller_segments_in_the_end_has_met_a_black_hole_all_the_same() -> None:
    smaller = in_vain("client", tries=500)
    assert black_hole(smaller) == ("likely", "from the client")
    assert f"{MSS} bytes of the client were sent again 5 times" in finding(smaller, "path-mtu-black-hole").summary


def test_where_nothing_is_known_to_get_through_it_is_possible_and_says_so() -> None:
    """The FIN is sent again, for its acknowledgment is lost as well; or too early to tell."""
    for sender in ("server", "client"):
        for fins, until in (((8.0, 8.3, 8.9), 10.0), ((8.0,), 8.1)):
            made = in_vain(sender, fins=fins, until=until)
            assert black_hole(made) == ("possible", f"from the {sender}")
            assert "or nothing at all gets through" in finding(made, "path-mtu-black-hole").summary


def test_where_a_segment_as_large_got_through_there_is_no_black_hole() -> None:
    for sender in ("server", "client"):
        for beside in (True, False):
            assert black_hole(in_vain(sender, arrives=MSS, beside=beside)) is None


def test_a_hole_of_segments_as_large_as_those_that_arrive_is_no_black_hole() -> None:
    talk, seen = opened()
    talk.lose("server", FLIGHT_BYTES[:MSS])
    before = len(talk.segments)
    talk.send("server", FLIGHT_BYTES[MSS:]).fin("client").acknowledge("server")
    made = report(*seen, *zip(talk.segments[before:], (0.03, 8, 8.01), strict=True))
    assert made.outcome != "established"
    assert black_hole(made) is None


def test_duplicates_in_a_capture_with_a_snap_length_are_no_black_hole() -> None:
    talk, _ = opened()
    talk.send("server", FLIGHT_BYTES).send("client", ANSWER_BYTES).send("server", CCS + ENCRYPTED_FINISHED)
    short = [replace(one, captured=min(len(one.payload), 40)) for one in talk.segments]
    times = [0.01 * index for index in range(len(short))]
    twice = [(one, at + apart) for one, at in zip(short, times, strict=True) for apart in (0, 0.00001, 0.004)]
    made = report(*twice)
    assert made.outcome == "incomplete"
    assert black_hole(made) is None


def test_the_captures_of_both_ends_in_one_file_show_a_black_hole_as_one_of_them_does() -> None:
    made = in_vain("server", fins=(8.0, 8.01))
    assert black_hole(made) == ("likely", "from the server")


def test_a_duplicate_counts_as_no_retransmission_anywhere() -> None:
    """The ClientHello is seen twice at once, and once more after a timeout."""
    talk, seen = opened()
    hello = talk.segments[3]
    made = report(*sorted([*seen, (hello, 0.02), (hello, 0.25)], key=lambda one: one[1]))
    assert made.carrier.repeated == {"client": (7,), "server": ()}
