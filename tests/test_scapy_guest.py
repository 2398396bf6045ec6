"""Scapy is a guest: its packet lists are captures, and what was read can be looked at with it."""

import json
import subprocess
import sys

import pytest
from manifest import CAPTURES, FILES
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether
from scapy.packet import Packet
from scapy.plist import PacketList
from scapy.utils import rdpcap

from analyzer import api
from analyzer.cli import main
from analyzer.errors import UsageError
from analyzer.report import serialize
from analyzer.results import CaptureReport

MAC = "00:00:5e:00:53:01"


def said(report: CaptureReport) -> str:
    handshakes = [serialize.handshake(handshake) for handshake in report.handshakes]
    return json.dumps([{**handshake, "capture": ""} for handshake in handshakes])


# Packet lists


@pytest.mark.parametrize("file", ["mutual-tls12.pcap", "ipv6.pcap", "sll.pcap", "snap-length.pcap", "vlan.pcap"])
def test_a_packet_list_is_the_capture_that_it_was_read_from(file):
    path = str(CAPTURES / file)
    report = api.analyze(rdpcap(path), trust="none")
    assert said(report) == said(api.analyze(path, trust="none"))
    assert report.capture == file


def test_packets_without_a_link_layer():
    packets = PacketList([packet[IP] for packet in rdpcap(str(CAPTURES / "mutual-tls12.pcap"))], name="sniffed")
    report = api.analyze(packets, trust="none")
    assert (report.capture, len(report.handshakes)) == ("sniffed", 1)


def test_lists_that_are_no_capture():
    assert api.analyze(PacketList([]), trust="none").handshakes == []
    with pytest.raises(UsageError, match=r"several link types \(Ether, IP\)"):
        api.analyze(PacketList([Ether(dst=MAC) / IP(), IP()]), trust="none")
    with pytest.raises(UsageError, match="cannot build a packet"):
        api.analyze(PacketList([Ether(dst=MAC) / IP(ttl="long")]), trust="none")


def test_scapy_is_not_imported_to_find_out():
    code = f"import sys; from analyzer import api; api.analyze({str(CAPTURES / 'mutual-tls12.pcap')!r}, trust='none')"
    subprocess.run([sys.executable, "-c", f"{code}; assert not any('scapy' in m for m in sys.modules)"], check=True)


# Messages


def dissected(file: str, **options: object) -> list[tuple[str, Packet | None]]:
    [report] = api.analyze(str(CAPTURES / file), trust="none", **options).handshakes
    assert report.facts is not None
    return list(zip([sent.name for sent in report.facts.sent], report.to_scapy(), strict=True))


def kinds(file: str, **options: object) -> list[tuple[str, str]]:
    return [(name, type(packet.msg[0]).__name__) for name, packet in dissected(file, **options) if packet is not None]


def test_messages_in_clear():
    assert kinds("mutual-tls12.pcap")[:9] == [
        ("client_hello", "TLSClientHello"),
        ("server_hello", "TLS13ServerHello"),  # Scapy's word for one that answers an offer of TLS 1.3
        ("certificate", "TLSCertificate"),
        ("server_key_exchange", "TLSServerKeyExchange"),
        ("certificate_request", "TLSCertificateRequest"),
        ("server_hello_done", "TLSServerHelloDone"),
        ("certificate", "TLSCertificate"),
        ("client_key_exchange", "TLSClientKeyExchange"),
        ("certificate_verify", "TLSCertificateVerify"),
    ]
    [name, alert] = kinds("no-common-version.pcap")[-1]
    assert (name, alert) == ("alert", "TLSAlert")


def test_what_scapy_reads_is_what_was_sent():
    packets = dict(reversed(dissected("mutual-tls12.pcap")))
    hello, exchange = packets["client_hello"], packets["server_key_exchange"]
    assert hello is not None and exchange is not None
    assert b"service.example.com" in bytes(hello)
    assert type(exchange.msg[0].params).__name__ == "ServerECDHNamedCurveParams"  # it knew the cipher suite
    assert packets["encrypted_handshake"] is None


def test_messages_that_were_decrypted():
    found = kinds("mutual-tls13.pcap", keylog=CAPTURES / "keys" / "mutual-tls13.keys")
    assert ("certificate_request", "TLS13CertificateRequest") in found
    assert ("encrypted_extensions", "TLSEncryptedExtensions") in found
    assert [kind for name, kind in found if name == "certificate"] == ["TLS13Certificate"] * 2


def test_one_message_by_itself():
    [report] = api.analyze(str(CAPTURES / "mutual-tls13.pcap"), trust="none").handshakes
    assert report.facts is not None
    packet = report.facts.sent[0].to_scapy()
    assert packet is not None and packet.msg[0].msgtype == 1


@pytest.mark.parametrize("file", FILES)
def test_no_sample_makes_it_fail(file):
    for report in api.analyze(str(CAPTURES / file), trust="none").handshakes:
        assert all(packet is None or isinstance(packet, Packet) for packet in report.to_scapy())


# The command


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["show", *arguments]) == 0
    return capsys.readouterr().out


def test_show_prints_every_message_field_by_field(capsys):
    out = shown(capsys, str(CAPTURES / "mutual-tls12.pcap"))
    assert "client > server  client_hello" in out
    assert "server_name: service.example.com" in out
    assert "        TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384\n" in out
    assert "        subject: CN=service.example.com,O=Example Lab\n" in out
    assert "    group: x25519\n" in out
    assert "encrypted_handshake  40 bytes, encrypted" in out
    assert "###[" not in out


def test_show_with_keys_and_with_scapy(capsys):
    keys = str(CAPTURES / "keys" / "mutual-tls13.keys")
    out = shown(capsys, str(CAPTURES / "mutual-tls13.pcap"), "--keylog", keys, "--scapy")
    assert "certificate_request" in out and ", decrypted" in out
    assert "###[ TLS Handshake - Client Hello ]###" in out


def test_show_chooses_a_stream(capsys):
    path = str(CAPTURES / "two-servers.pcap")
    assert shown(capsys, path, "--stream", "1").startswith("tcp.stream eq 1, handshake 0")
    assert main(["show", path]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("tcp.stream eq 0, ") and "2 connections with TLS, this is 0" in said.err
    assert main(["show", path, "--stream", "7"]) == 2
    assert "no TLS handshake in stream 7 (there is in 0, 1)" in capsys.readouterr().err


@pytest.mark.parametrize("file", FILES)
def test_show_prints_nothing_that_a_terminal_could_act_on(file, capsys):
    main(["show", str(CAPTURES / file)])
    assert all(character.isprintable() or character == "\n" for character in capsys.readouterr().out)
