"""Connections that never became TLS: which of them were meant to."""

from dataclasses import replace
from itertools import combinations

import pytest
from talk import RST, SYN, Talk, alert, capture, client_hello, handshake, tls12

from analyzer import api
from analyzer.results import HandshakeReport

HTTPS, OTHER = ("198.51.100.7", 443), ("198.51.100.7", 8080)
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def attempts(*talks: Talk) -> list[HandshakeReport]:
    """What is reported without a version."""
    segments = [segment for talk in talks for segment in talk.segments]
    found = [one for one in api.analyze(capture(segments), trust="none").handshakes if one.version is None]
    for one in found:
        assert (one.outcome, one.authentication, one.authentication_basis) == ("failed", "undetermined", None)
        assert one.evidence
        assert one.first_frame <= one.last_frame
    return found


def refused(server: tuple[str, int] = HTTPS) -> Talk:
    talk = Talk(server=server)
    talk._append("client", b"", SYN)
    return talk.rst("server")


def unanswered(count: int, server: tuple[str, int] = HTTPS) -> Talk:
    talk = Talk(server=server)
    talk._append("client", b"", SYN)
    return Talk(segments=talk.segments * count)


def test_refused() -> None:
    [report] = attempts(refused())
    assert (report.client.port, report.server.port) == (50000, 443)
    assert "refused" in report.evidence[0].says
    assert report.closed_by is not None
    assert (report.closed_by.sender, report.closed_by.how) == ("server", "rst")


def test_unanswered() -> None:
    [report] = attempts(unanswered(4))
    assert "4 SYNs" in report.evidence[0].says


def test_one_syn_may_have_been_answered_behind_the_end() -> None:
    assert attempts(unanswered(1)) == []


def test_a_port_where_nothing_speaks_of_tls() -> None:
    for talk in (refused(OTHER), unanswered(4, OTHER), Talk(server=OTHER).open().send("client", REQUEST)):
        assert attempts(talk) == []


def test_a_server_that_speaks_tls_elsewhere_in_the_capture() -> None:
    """Whichever comes first."""
    tls = tls12(talk=Talk(client=("192.0.2.10", 50001), server=OTHER).open())
    plain = Talk(server=OTHER).open().send("client", REQUEST).send("server", b"HTTP/1.1 200 OK\r\n\r\n").fin("server")
    for talk in (refused(OTHER), unanswered(3, OTHER), plain):
        assert [one.stream for one in attempts(talk, tls)] == [0]
        assert [one.stream for one in attempts(tls, talk)] == [1]


def test_plaintext_on_a_port_of_tls() -> None:
    talk = Talk().open().send("client", REQUEST).send("server", b"HTTP/1.1 200 OK\r\n\r\n").fin("server")
    [report] = attempts(talk)
    assert "GET / HTTP/1.1" in report.evidence[0].says


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n<h1>The plain HTTP request was sent to HTTPS port</h1>",
        b"HTTP/1.1 400 Bad Request\r\n\r\nYou're speaking plain HTTP to an SSL-enabled server port.<br />",
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
        b"HTTP/1.1 400 \r\n\r\nBad Request\r\nThis combination of host and port requires TLS.\r\n",
        alert(2, 10),
    ],
)
def test_the_answer_shows_that_the_server_wants_tls(answer: bytes) -> None:
    assert len(attempts(Talk(server=OTHER).open().send("client", REQUEST).send("server", answer).fin("server"))) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\nWe recommend HTTPS.",
        b"HTTP/1.1 301 Moved\r\nLocation: https://a/\r\n\r\nUse HTTPS",
        b"HTTP/1.1 400 Bad Request\r\n\r\nHTTPS is fine, your request is not.",
        b"",
    ],
)
def test_a_word_about_https_does_not(answer: bytes) -> None:
    assert attempts(Talk(server=OTHER).open().send("client", REQUEST).send("server", answer).fin("server")) == []


@pytest.mark.parametrize("length", range(1, 6))
def test_the_first_bytes_of_a_hello_are_no_plaintext(length: int) -> None:
    hello = handshake(client_hello(), version=0x0301)
    for talk in (
        Talk().open().send("client", hello[:length]),
        Talk().open().send("client", hello[:length]).fin("client"),
    ):
        assert attempts(talk) == []


SMTP = [("server", b"220 a ESMTP\r\n"), ("client", b"EHLO b\r\n"), ("server", b"250-a\r\n250 STARTTLS\r\n")]


def mail(*more: tuple[str, bytes]) -> Talk:
    talk = Talk(server=("198.51.100.7", 25)).open()
    for sender, data in (*SMTP, *more):
        talk.send(sender, data)
    return talk


def test_a_refused_request_for_tls() -> None:
    [report] = attempts(mail(("client", b"STARTTLS\r\n"), ("server", b"454 TLS not available\r\n")))
    assert report.preamble == "smtp"
    assert "454" in report.evidence[0].says


def test_a_request_for_tls_without_an_answer() -> None:
    asked = mail(("client", b"STARTTLS\r\n"))
    assert attempts(asked) == []  # the capture merely ends
    assert [one.preamble for one in attempts(asked.fin("client"))] == ["smtp"]


def test_mail_that_never_asks_is_nobodys_business() -> None:
    assert attempts(mail(("client", b"MAIL FROM:<a@b>\r\n"), ("server", b"250 ok\r\n")).fin("client")) == []


@pytest.mark.parametrize("lost", [(0,), (2,), (4,)])
def test_an_answer_that_was_lost_is_no_refusal(lost: tuple[int, ...]) -> None:
    """The records tell that TLS began, though the ClientHello is lost as well."""
    talk = mail(("client", b"STARTTLS\r\n"), ("server", b"220 go ahead\r\n"))
    first = len(talk.segments) - 5
    hello = len(tls12(talk=talk).segments) - 4
    left = [one for i, one in enumerate(talk.segments) if i not in (*(first + each for each in lost), hello)]
    [report] = Talk(server=talk.server, segments=left).acknowledge("client").fin("client").analyze().handshakes
    assert (report.preamble, report.outcome, report.authentication) == ("smtp", "established", "one-way")


def test_an_answer_that_was_lost_with_all_behind_it_is_none() -> None:
    talk = mail(("client", b"STARTTLS\r\n")).lose("server", b"220 go ahead\r\n").fin("client").acknowledge("client")
    assert attempts(talk) == []
    assert {issue.code for issue in talk.analyze().issues} == {"segments-not-captured"}


def test_a_header_that_the_capture_cuts_is_no_plaintext() -> None:
    header = b"PROXY TCP4 203.0.113.9 198.51.100.7 40000 443\r\n"
    talk = Talk().open().send("client", header + handshake(client_hello())).send("server", alert(2, 40))
    segments = [replace(one, captured=min(len(one.payload), 7)) for one in talk.segments]
    report = api.analyze(capture(segments), trust="none")
    assert report.handshakes == []
    assert {issue.code for issue in report.issues} == {"frames-cut"}


def test_too_many_attempts_are_told_of() -> None:
    talks = [Talk(client=("192.0.2.10", 40000 + n), server=("198.51.100.7", 9000)).open() for n in range(5)]
    segments = [segment for talk in talks for segment in talk.send("client", REQUEST).fin("client").segments]
    report = api.analyze(capture(segments), trust="none", limits=api.Limits(attempts=3))
    assert [issue.count for issue in report.issues if issue.code == "attempts"] == [2]


def test_a_request_for_tls_that_may_still_be_answered_is_nothing() -> None:
    """PostgreSQL's SSLRequest, whatever the port."""
    asked = Talk(server=HTTPS).open().send("client", bytes.fromhex("0000000804d2162f"))
    assert not attempts(asked)
    [report] = attempts(asked.fin("server"))
    assert "no answer" in report.evidence[0].says


def agreed() -> Talk:
    """PostgreSQL's SSLRequest, and the consent."""
    return Talk(server=OTHER).open().send("client", bytes.fromhex("0000000804d2162f")).send("server", b"S")


@pytest.mark.parametrize("sender", ["client", "server"])
@pytest.mark.parametrize(("how", "verb"), [("fin", "closed"), ("rst", "reset")])
def test_tls_that_was_agreed_on_and_not_begun(sender: str, how: str, verb: str) -> None:
    """By a probe, maybe: nothing is said to be wrong."""
    talk = agreed()
    [report] = attempts(talk.fin(sender) if how == "fin" else talk.rst(sender))
    assert (report.preamble, report.client.port, report.server.port) == ("postgresql", 50000, 8080)
    [seen] = report.evidence
    assert (seen.sender, seen.frame) == (sender, 6)
    assert f"answered S; then the {sender} {verb} the connection ({how.upper()}), before any ClientHello." in seen.says
    assert (report.root_cause, report.findings) == (None, [])


def test_tls_that_was_agreed_on_and_may_still_begin() -> None:
    assert attempts(agreed()) == []


def test_of_what_was_agreed_on_in_mail_too() -> None:
    talk = mail(("client", b"STARTTLS\r\n"), ("server", b"220 go ahead\r\n")).rst("client")
    assert [(one.preamble, one.root_cause) for one in attempts(talk)] == [("smtp", None)]


def test_a_client_that_left_is_no_refusal_though_its_opening_was_lost() -> None:
    for sender in ("client", "server"):
        talk = agreed().rst(sender)
        for lost in ((0,), (1,), (0, 1), (0, 1, 2)):
            left = [one for number, one in enumerate(talk.segments) if number not in lost]
            assert [one.findings for one in attempts(Talk(segments=left))] == [[]]


def test_a_header_that_the_server_took_is_not_blamed_for_what_was_not_begun_behind_it() -> None:
    header = b"PROXY TCP4 203.0.113.9 198.51.100.7 40000 443\r\n"
    talk = Talk(server=OTHER).open().send("client", header, bytes.fromhex("0000000804d2162f")).send("server", b"S")
    [report] = attempts(talk.fin("server"))
    assert (report.preamble, report.root_cause, report.findings) == ("proxy-protocol+postgresql", None, [])


@pytest.mark.parametrize("more", [b"", alert(2, 40)])
def test_a_tunnel_in_which_the_client_said_nothing(more: bytes) -> None:
    talk = Talk(server=OTHER).open().send("client", b"CONNECT a.example:443 HTTP/1.1\r\n\r\n")
    assert attempts(talk.send("server", b"HTTP/1.1 200 OK\r\n\r\n" + more).fin("client")) == []


ENDINGS = [("client", "fin"), ("client", "rst"), ("server", "fin"), ("server", "rst"), ("server", "bare rst")]


@pytest.mark.parametrize(("sender", "how"), ENDINGS)
def test_what_is_lost_of_a_handshake_never_makes_it_one_that_was_not_begun(sender: str, how: str) -> None:
    """Whatever is lost of it, and wherever the capture ends."""
    talk = tls12(talk=agreed())
    end = {"fin": talk.fin, "rst": talk.rst, "bare rst": lambda who: talk._append(who, b"", RST)}[how](sender)
    whole = end.segments
    behind = range(5, len(whole))
    lost = [set(some) for count in range(1, len(behind) + 1) for some in combinations(behind, count)]
    for gone in [set[int](), *lost, *(set(range(first, len(whole))) for first in range(5))]:
        left = Talk(segments=[one for number, one in enumerate(whole) if number not in gone])
        assert [one.evidence for one in left.analyze().handshakes if one.facts is None] == [], gone
