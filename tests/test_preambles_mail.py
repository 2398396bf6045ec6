"""What real servers of mail, files, directories and chat taught: dialogues that go another way than the textbook's."""

import pytest
from talk import Talk, client_hello, handshake, tls12, tls13
from test_preambles import ACCEPTED, ESMTP, HELLO, REFUSED, SERVER_HELLO, C, S, Turn, cuts, turns

from analyzer.results import HandshakeReport
from analyzer.tls.preambles import follow, recognize

LOGIN = [*ESMTP[:3], (C, b"AUTH LOGIN\r\n"), (S, b"334 VXNlcm5hbWU6\r\n")]
NAME = [(C, b"dQ==\r\n"), (S, b"334 UGFzc3dvcmQ6\r\n"), (C, b"cA==\r\n")]
NO_TLS = (S, b"502 5.5.1 TLS support is not enabled.\r\n")
PROXY = (C, b"PROXY TCP4 192.0.2.1 198.51.100.2 52176 143\r\n")
SEARCH = bytes.fromhex("302502010563200400 0a01000a0100020100020100010100870b") + b"objectClass\x30\0"
SEARCHED = bytes.fromhex("300c02010565070a010004000400")


@pytest.mark.parametrize("case", ["ftp", "imap", "irc", "lmtp", "managesieve", "nntp", "pop3", "smtp", "xmpp"])
def test_the_line_of_a_balancer_is_no_command_of_the_dialogue_behind_it(case: str) -> None:
    client, server = turns(PROXY, *ACCEPTED[case])
    prologue = follow(client + HELLO, server + SERVER_HELLO)
    assert (prologue.name, prologue.state) == (f"proxy-protocol+{case}", "tls")
    assert (prologue.client, prologue.server) == (len(client), len(server))


FAILED_LOGINS: dict[str, list[Turn]] = {
    "smtp": [*LOGIN, *NAME, (S, b"535 5.7.8 Authentication failed.\r\n"), ESMTP[3], NO_TLS],
    "smtp, given up": [*LOGIN, (C, b"*\r\n"), (S, b"501 5.7.0 aborted\r\n"), ESMTP[3], NO_TLS],
    "pop3": [
        (S, b"+OK hello\r\n"),
        (C, b"AUTH LOGIN\r\n"),
        (S, b"+ VXNlcm5hbWU6\r\n"),
        (C, b"*\r\n"),
        (S, b"-ERR Authentication aborted.\r\n"),
        (C, b"STLS\r\n"),
        (S, b"-ERR TLS support is not enabled.\r\n"),
    ],
    "nntp": [
        (S, b"200 news\r\n"),
        (C, b"AUTHINFO USER eva\r\n"),
        (S, b"381 password\r\n"),
        (C, b"AUTHINFO PASS x\r\n"),
        (S, b"481 no\r\n"),
        (C, b"STARTTLS\r\n"),
        (S, b"502 TLS support is not enabled\r\n"),
    ],
}


@pytest.mark.parametrize("case", FAILED_LOGINS)
def test_a_login_that_fails_does_not_end_the_prologue(case: str) -> None:
    preamble = recognize(*turns(*FAILED_LOGINS[case]))
    assert preamble is not None
    assert (preamble.name, preamble.state) == (case.partition(",")[0], "refused")
    assert "is not enabled" in preamble.says


def test_a_login_of_several_lines_ends_it_when_it_succeeds() -> None:
    *before, last = cuts([*LOGIN, *NAME, (S, b"235 2.7.0 Logged in.\r\n"), (C, b"NOOP\r\n")])
    assert {found.state for cut in before if (found := recognize(*cut))} == {"waiting"}
    preamble = recognize(*last)
    assert preamble is not None
    assert (preamble.name, preamble.state) == ("smtp", "other")
    assert "accepted AUTH" in preamble.says


LOGINS: dict[str, list[Turn]] = {
    "smtp": [*ESMTP[:3], (C, b"AUTH PLAIN AGEAYg==\r\n"), (S, b"235 in\r\n"), (C, b"STARTTLS\r\n")],
    "imap": [(S, b"* OK x\r\n"), (C, b"1 LOGIN eva x\r\n"), (S, b"1 OK in\r\n"), (C, b"2 STARTTLS\r\n")],
    "pop3": [
        (S, b"+OK x\r\n"),
        (C, b"USER a\r\n"),
        (S, b"+OK\r\n"),
        (C, b"PASS b\r\n"),
        (S, b"+OK\r\n"),
        (C, b"STLS\r\n"),
    ],
}


@pytest.mark.parametrize(
    ("case", "answer"), [("smtp", b"503 too late\r\n"), ("imap", b"2 BAD late\r\n"), ("pop3", b"-ERR late\r\n")]
)
def test_a_request_behind_a_login_may_be_refused(case: str, answer: bytes) -> None:
    *before, last = cuts([*LOGINS[case], (S, answer)])
    assert {found.state for cut in before if (found := recognize(*cut))} == {"waiting"}
    preamble = recognize(*last)
    assert preamble is not None
    assert (preamble.name, preamble.state) == (case, "refused")
    assert "late" in preamble.says


@pytest.mark.parametrize(
    ("case", "answer"), [("smtp", b"220 go\r\n"), ("imap", b"2 OK go\r\n"), ("pop3", b"+OK go\r\n")]
)
def test_a_request_behind_a_login_may_be_granted(case: str, answer: bytes) -> None:
    client, server = turns(*LOGINS[case], (S, answer))
    prologue = follow(client + HELLO, server + SERVER_HELLO)
    assert (prologue.name, prologue.state) == (case, "tls")
    assert (prologue.client, prologue.server) == (len(client), len(server))


@pytest.mark.parametrize("case", LOGINS)
@pytest.mark.parametrize("more", [b"NOOP\r\nSTARTTLS\r\n", b"\0\1\2", b"x" * 10_000])
def test_no_request_is_waited_for_when_something_else_comes_behind_a_login(case: str, more: bytes) -> None:
    client, server = turns(*LOGINS[case][:-1], (C, more))
    assert follow(client, server).is_settled


def test_who_registers_before_tls_may_still_ask_for_it() -> None:
    """XEP-0077."""
    opened, greeted, features, asks = ACCEPTED["xmpp"][:4]
    register = (C, b"<iq type='get' id='r'><query xmlns='jabber:iq:register'/></iq>")
    early = recognize(*turns(opened, greeted, features, register))
    assert early is not None
    assert early.state == "waiting"
    preamble = recognize(*turns(opened, greeted, features, register, asks, REFUSED["xmpp"][0][-1]))
    assert preamble is not None
    assert preamble.state == "refused"


def test_starttls_with_a_parameter_is_refused_as_the_rfc_says() -> None:
    preamble = recognize(*turns(*ESMTP[:3], (C, b"STARTTLS now\r\n"), (S, b"501 5.5.4 Syntax: STARTTLS\r\n")))
    assert preamble is not None
    assert preamble.state == "refused"
    assert "501 5.5.4" in preamble.says


def test_no_success_is_taken_for_the_refusal() -> None:
    """A line that the server did not know, as of a balancer, is answered too: then all replies are one late."""
    unknown = [(S, b"220 a ESMTP\r\n500 5.5.2 command not recognized\r\n"), (C, b"EHLO a\r\n"), ESMTP[2], ESMTP[3]]
    early = recognize(*turns(*unknown))
    assert early is not None
    assert (early.state, early.asked) == ("waiting", len(b"EHLO a\r\nSTARTTLS\r\n"))
    client, server = turns(*unknown, (S, b"220 2.0.0 Ready\r\n"))
    prologue = follow(client + HELLO, server + SERVER_HELLO)
    assert (prologue.state, prologue.client, prologue.server) == ("tls", len(client), len(server))


GOES_ON: dict[str, list[Turn]] = {
    "smtp": [(C, b"MAIL FROM:<a@b>\r\n"), (S, b"250 ok\r\n"), (C, b"RCPT TO:<a@b>\r\n")],
    "imap": [(C, b"2 LOGIN eva x\r\n"), (S, b"2 OK in\r\n"), (C, b"3 SELECT INBOX\r\n")],
    "pop3": [(C, b"PASS x\r\n"), (S, b"+OK in\r\n"), (C, b"STAT\r\n")],
    "ftp": [(C, b"PASS x\r\n"), (S, b"230 in\r\n"), (C, b"PWD\r\n")],
    "nntp": [(C, b"GROUP a.b\r\n"), (S, b"211 0 0 0 a.b\r\n"), (C, b"NEXT\r\n")],
    "managesieve": [(C, b'AUTHENTICATE "PLAIN" "AGEAYg=="\r\n'), (S, b"OK\r\n"), (C, b"LISTSCRIPTS\r\n")],
    "irc": [(C, b"NICK a\r\nUSER a 0 * :a\r\n"), (S, b":irc.x 001 a :Welcome\r\n")],
    "ldap": [(C, SEARCH), (S, SEARCHED)],
    "xmpp": [(C, b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGE=</auth>")],
}


@pytest.mark.parametrize("case", GOES_ON)
def test_a_refusal_after_which_the_session_goes_on_is_final(case: str) -> None:
    said, words = REFUSED[case]
    refused = follow(*turns(*said))
    assert (refused.state, refused.is_settled) == ("refused", False)
    prologue = follow(*turns(*said, *GOES_ON[case]))
    assert (prologue.name, prologue.state, prologue.is_settled) == (case, "refused", True)
    assert words in prologue.preambles[-1].says
    assert (prologue.client, prologue.server) == (refused.client, refused.server)


def spoken(said: list[Turn]) -> Talk:
    talk = Talk(server=("198.51.100.7", 25)).open()
    for sender, data in said:
        talk.send(sender, data)
    return talk


def refusal(report: HandshakeReport) -> tuple[str | None, str | None, str | None]:
    return report.preamble, report.version, report.root_cause


def test_a_long_message_after_the_refusal_exceeds_no_limit() -> None:
    said, _ = REFUSED["smtp"]
    talk = spoken([*said, *GOES_ON["smtp"], (C, b"DATA\r\n"), (S, b"354 go\r\n"), (C, b"hello\r\n" * 30_000)])
    report = talk.fin("client").fin("server").analyze()
    assert report.issues == []
    assert [refusal(one) for one in report.handshakes] == [("smtp", None, "starttls-refused")]


def failed_without_certificate(said: list[Turn]) -> Talk:
    """TLS 1.3 that asks for a certificate, gets none, and ends with an alert of the server, all encrypted."""
    return tls13((23, 175, 1032, 96, 69), (25, 69), ("server", (19,)), talk=spoken(said))


@pytest.mark.parametrize("line", [b"421 TLS handshake failed\r\n", b"500 OOPS: "])
def test_what_the_server_says_in_clear_when_tls_has_failed_is_no_damage(line: bytes) -> None:
    report = failed_without_certificate(ACCEPTED["ftp"]).send("server", line).rst("server").analyze()
    assert report.issues == []
    [found] = report.handshakes
    assert (found.preamble, found.outcome) == ("ftp", "failed")
    assert found.root_cause == "client-certificate-missing"


def test_what_the_client_says_in_clear_when_it_gives_tls_up_is_no_damage() -> None:
    unbind = bytes.fromhex("30050201024200")
    report = tls12(talk=spoken(ACCEPTED["ldap"])).send("client", unbind).fin("client").fin("server").analyze()
    assert report.issues == []
    assert [(one.preamble, one.outcome) for one in report.handshakes] == [("ldap", "established")]


@pytest.mark.parametrize(
    ("said", "then"),
    [([], b"421 TLS handshake failed\r\n"), (ACCEPTED["ftp"], bytes(range(160, 190))), (ACCEPTED["ftp"], b"421 \0\1")],
)
def test_else_it_is_damage(said: list[Turn], then: bytes) -> None:
    going_on = tls13((23, 175, 1032, 96, 69), (25, 69), ("server", (500,)), talk=spoken(said))
    report = going_on.send("server", then).rst("server").analyze()
    assert [issue.code for issue in report.issues] == ["records-damaged"]


@pytest.mark.parametrize("case", ["smtp", "imap", "pop3", "ftp", "nntp", "managesieve", "irc", "ldap", "xmpp"])
def test_a_client_that_begins_tls_though_it_was_refused(case: str) -> None:
    said, words = REFUSED[case]
    hello = handshake(client_hello(), version=0x0301)
    talk = spoken(said).send("client", hello).send("server", b"500 what?\r\n").fin("client").fin("server")
    assert refusal(talk.report) == (case, None, "starttls-refused")
    assert words in talk.report.findings[0].summary


@pytest.mark.parametrize(
    "said", [ACCEPTED["http-connect"][:1], ACCEPTED["socks5"][:1], ACCEPTED["socks4"][:1], ACCEPTED["socks5"][:3]]
)
def test_a_proxy_that_does_not_answer(said: list[Turn]) -> None:
    report = spoken(said).fin("client").fin("server").report
    assert (report.outcome, report.root_cause) == ("failed", "proxy-refused")
    assert report.findings[0].confidence == "likely"
