"""`mtlscope diagram` draws what was asked for where it was asked for, and complains in one line."""

import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from drawn import CAPTURES, report

from analyzer.cli import main
from analyzer.cli.commands.diagram import _streams

MUTUAL = str(CAPTURES / "mutual-tls12.pcap")
TWO = str(CAPTURES / "two-servers.pcap")


def test_terminal_gets_text(capsys):
    assert main(["diagram", MUTUAL]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Mutual TLS 1.2: established\n") and not err


@pytest.mark.parametrize(
    ("name", "begins"),
    [("a.svg", b"<?xml"), ("a.png", b"\x89PNG"), ("a.mmd", b"sequenceDiagram"), ("a.puml", b"@startuml")],
)
def test_suffix_chooses_the_format(tmp_path, name, begins):
    assert main(["diagram", MUTUAL, "-o", str(tmp_path / name), "--theme", "dark", "--width", "slide"]) == 0
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_format_overrides_the_suffix(tmp_path):
    assert main(["diagram", MUTUAL, "-o", str(tmp_path / "a.txt"), "--format", "mermaid"]) == 0
    assert (tmp_path / "a.txt").read_text().startswith("sequenceDiagram")


def test_first_of_several_is_drawn_and_that_is_said(capsys):
    assert main(["diagram", TWO]) == 0
    out, err = capsys.readouterr()
    assert "tcp.stream eq 0" in out
    assert err == f"mtlscope: {TWO}: 2 handshakes, this is tcp.stream 0 (--stream draws another, --all each)\n"
    assert main(["diagram", TWO, "--stream", "1"]) == 0
    out, err = capsys.readouterr()
    assert "tcp.stream eq 1" in out and not err


def test_stream_of_quic_is_named_as_wireshark_counts_it(capsys, tmp_path):
    for name in ("one-way-quic.pcap", "mutual-quic.pcap"):
        (tmp_path / name).write_bytes((CAPTURES / name).read_bytes())
    assert main(["diagram", str(tmp_path)]) == 0
    assert "2 handshakes, this is udp.stream 0 (" in capsys.readouterr().err


def test_each_handshake_gets_a_file(tmp_path):
    assert main(["diagram", TWO, "--all", str(tmp_path / "new"), "--format", "text"]) == 0
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "two-servers.pcap-tcp-0.txt",
        "two-servers.pcap-tcp-1.txt",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "diagram needs a capture, or --reference"),
        ([MUTUAL, "--reference", "mutual"], "--reference draws the textbook's handshake, and takes no capture"),
        ([MUTUAL, "--tls", "1.3"], "--tls is about the textbook's handshake: it needs --reference"),
        ([MUTUAL, "--profile", "salesforce"], "--profile is about the textbook's handshake: it needs --reference"),
        (["--reference", "mutual", "--stream", "0"], "--stream is about a capture's handshakes"),
        (["--reference", "mutual", "--keylog", "x"], "--keylog is about a capture's handshakes"),
        (["--reference", "mutual", "--tls", "1.3", "--key-exchange", "rsa"], "--key-exchange is about TLS 1.2"),
        (["--reference", "mutual", "--party", "client"], "--party is the side of a product: it needs its --profile"),
        ([MUTUAL, "--all", "new", "-o", "a.svg"], "--all draws each handshake into its folder: --output is about one"),
        ([MUTUAL, "--stream", "7"], "there is no such handshake to draw; there is tcp.stream 0\n"),
        ([TWO, "--stream", "7"], "there is no such handshake to draw; there is tcp.stream 0, tcp.stream 1\n"),
        ([MUTUAL, "--handshake", "1"], "there is no such handshake to draw; there is tcp.stream 0\n"),
        ([MUTUAL, "-o", "a.gif"], "its suffix says no format of diagrams"),
        ([MUTUAL, "-o", MUTUAL], "is a capture to read"),
        (["--reference", "mutual", "--profile", "nobody"], "there is no such profile"),
    ],
)
def test_wrong_use_is_one_line(capsys, arguments, said):
    assert main(["diagram", *arguments]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_many_streams_are_not_all_named():
    assert _streams([]) == "none"
    made = [replace(report("mutual-tls12"), stream=number) for number in range(12)]
    assert _streams(made).endswith("tcp.stream 8, tcp.stream 9, 2 more")
    again = replace(made[0], handshake=2, transport="quic")
    assert _streams([*made[:1], again]) == "tcp.stream 0, udp.stream 0 (handshakes 0 to 2)"


def test_unreadable_capture(capsys, tmp_path):
    assert main(["diagram", str(tmp_path / "none.pcap")]) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_terminal_without_unicode_gets_ascii(monkeypatch):
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding="latin-1"))
    assert main(["diagram", MUTUAL]) == 0
    sys.stdout.flush()
    assert buffer.getvalue().isascii() and b"=>|" in buffer.getvalue()


def test_options_of_the_analysis_count(capsys):
    trust = str(CAPTURES / "ca.pem")
    for options, leads in ([], 0), (["--trust", trust], 1), (["--trust", trust, "--client-trust", trust], 2):
        main(["diagram", MUTUAL, *options])
        assert capsys.readouterr().out.count("leads to CN=Example Root CA") == leads


def test_help_names_the_formats(capsys):
    assert main(["diagram", "--help"]) == 0
    out = capsys.readouterr().out
    assert all(suffix in out for suffix in (".svg", ".png", ".mmd", ".puml", ".txt"))
    assert Path(MUTUAL).exists()
