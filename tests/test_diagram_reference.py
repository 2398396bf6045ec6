"""The textbook pictures are walks through the transition table, and have the textbook's steps in its order."""

from pathlib import Path

import pytest
from drawn import REFERENCES, textbook

from analyzer.api import analyze
from analyzer.cli import main
from analyzer.diagram.reference import path, reference
from analyzer.errors import UsageError
from analyzer.tls import states

CAPTURES = Path(__file__).parents[1] / "captures"
CHANGED = "change_cipher_spec, finished"

ONE_WAY = [
    ("client_hello", "client"),
    ("server_hello", "server"),
    ("certificate", "server"),
    ("server_hello_done", "server"),
    ("verify-server", "client"),
    ("client_key_exchange", "client"),
    ("decrypt", "server"),
    ("derive", None),
    (CHANGED, "client"),
    (CHANGED, "server"),
    ("application_data", None),
    ("end", None),
]
MUTUAL = [
    ("client_hello", "client"),
    ("server_hello", "server"),
    ("certificate", "server"),
    ("certificate_request", "server"),
    ("server_hello_done", "server"),
    ("verify-server", "client"),
    ("certificate", "client"),
    ("client_key_exchange", "client"),
    ("decrypt", "server"),
    ("certificate_verify", "client"),
    ("verify-client", "server"),
    ("derive", None),
    (CHANGED, "client"),
    (CHANGED, "server"),
    ("application_data", None),
    ("end", None),
]
MUTUAL_TLS13 = [
    ("client_hello", "client"),
    ("server_hello", "server"),
    ("derive", None),
    ("encrypted_extensions", "server"),
    ("certificate_request", "server"),
    ("certificate", "server"),
    ("certificate_verify", "server"),
    ("finished", "server"),
    ("verify-server", "client"),
    ("certificate", "client"),
    ("certificate_verify", "client"),
    ("finished", "client"),
    ("verify-client", "server"),
    ("application_data", None),
    ("end", None),
]


def told(diagram):
    return [(step.key, step.sender) for step in diagram.steps]


def test_steps_are_those_of_the_textbook():
    assert told(textbook("one-way-rsa")) == ONE_WAY
    assert told(textbook("mutual-rsa")) == MUTUAL
    assert told(textbook("mutual-tls13")) == MUTUAL_TLS13
    client_only = {("certificate_request", "server"), ("verify-client", "server")}
    one_way = [step for step in MUTUAL_TLS13 if step not in client_only]
    one_way = [step for step in one_way if step not in (("certificate", "client"), ("certificate_verify", "client"))]
    assert told(textbook("one-way-tls13")) == one_way


def test_diffie_hellman_is_signed_and_needs_no_decryption():
    for name, classic in (("one-way-ecdhe", ONE_WAY), ("mutual-ecdhe", MUTUAL)):
        steps = told(textbook(name))
        assert ("server_key_exchange", "server") in steps
        assert [step for step in steps if step != ("server_key_exchange", "server")] == [
            step for step in classic if step[0] != "decrypt"
        ]


@pytest.mark.parametrize("mutual", [False, True])
@pytest.mark.parametrize(("tls13", "exchange"), [(False, "rsa"), (False, "ecdhe"), (True, "rsa")])
def test_the_picture_walks_along_the_table(mutual, tls13, exchange):
    table = states.TLS13 if tls13 else states.TLS12
    state = states.START
    for row in path(mutual, tls13, exchange):
        assert row in states.awaited(table, state)
        state = row.then
    assert state == states.ESTABLISHED


SAID = [
    file
    for pattern in ("mutual-tls1*", "one-way-tls1*", "requested-*-tls1*", "resumption-*", "hello-retry-request*")
    for file in sorted(CAPTURES.glob(f"{pattern}.pcap"))
]


@pytest.mark.parametrize("file", SAID, ids=lambda file: file.stem)
def test_what_real_stacks_said_walks_along_the_table(file):
    """With keys, for the table has the messages that are encrypted; ChangeCipherSpec says nothing in TLS 1.3."""
    for handshake in analyze(file, keylog=CAPTURES / "keys" / f"{file.stem}.keys").handshakes:
        tls13 = handshake.version == "TLSv1.3"
        table, state = states.TLS13 if tls13 else states.TLS12, states.START
        for said in handshake.messages:
            if said.message in ("application_data", "alert") or (tls13 and said.message == "change_cipher_spec"):
                continue
            rows = [row for row in states.awaited(table, state) if row[1:3] == (said.sender, said.message)]
            assert len(rows) == 1, f"{said} in state {state}"
            state = rows[0].then
            if state == states.ESTABLISHED:
                break
        assert state == states.ESTABLISHED


@pytest.mark.parametrize("name", REFERENCES)
def test_nothing_of_a_capture_is_in_the_textbook(name):
    diagram = textbook(name)
    for step in diagram.steps:
        assert step.frame is None and step.time is None and step.proof is None and not step.inferred
        assert step.meaning or step.kind == "end"
    assert diagram.steps[-1].tone == "good"


def test_encryption_begins_where_it_begins():
    def first_encrypted(name):
        return next(step.key for step in textbook(name).steps if step.protection == "encrypted")

    assert first_encrypted("mutual-rsa") == CHANGED
    assert first_encrypted("mutual-tls13") == "encrypted_extensions"


def test_profile_puts_its_product_on_either_side():
    server, client = textbook("salesforce-server-mutual"), textbook("salesforce-client-mutual")
    assert (server.server.role, server.server.address) == ("Salesforce", "port 8443")
    assert client.client.role == "Salesforce" and client.server.role != "Salesforce"
    assert textbook("salesforce-server-one-way").server.address == "port 443"
    said = " ".join(step.meaning for step in server.steps)
    assert "in the org's truststore" in said and "a self-signed one is not accepted" in said
    assert "may be self-signed" not in " ".join(line.text for step in server.steps for line in step.lines)
    assert any("API Client Certificate" in caption for caption in client.captions)
    assert any("Enforce SSL/TLS Mutual Authentication" in caption for caption in server.captions)


@pytest.mark.parametrize("name", ["../../pyproject", "nobody", "", "salesforce/x"])
def test_unknown_profile_is_refused(name):
    if not name:
        assert reference("mutual", profile=None).captions == ()
        return
    with pytest.raises(UsageError, match="no such profile"):
        reference("mutual", profile=name)


def test_every_step_that_a_profile_names_is_drawn():
    import tomllib
    from importlib.resources import files

    text = files("analyzer.diagnosis.profiles").joinpath("salesforce.toml").read_text(encoding="utf-8")
    for party, kinds in tomllib.loads(text)["diagram"].items():
        for kind, words in kinds.items():
            diagram = reference(kind, profile="salesforce", party=party)
            said = " ".join(step.meaning for step in diagram.steps)
            assert all(text in said for text in words.get("steps", {}).values())


def test_command_draws_it(capsys):
    assert main(["diagram", "--reference", "mutual", "--tls", "1.3", "--profile", "salesforce"]) == 0
    assert "Salesforce" in capsys.readouterr().out
