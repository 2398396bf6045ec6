"""The sample captures are complete, small, free of this machine's data, and told of in the words of the contract."""

import dataclasses
import gzip
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from cryptography import x509
from lab import pki
from lab.scenarios import SCENARIOS
from lab.variants import VARIANTS
from lab.wire import read_datagrams, read_segments

from analyzer import results

CAPTURES = Path(__file__).parents[1] / "captures"
MANIFEST = tomllib.loads((CAPTURES / "manifest.toml").read_text(encoding="utf-8"))
ENTRIES: list[dict[str, Any]] = MANIFEST["capture"]
HOSTS = {"192.0.2.10", "198.51.100.7", "198.51.100.8"}
NULL = "none"


def expectations() -> list[Any]:
    return [pytest.param(e, id=f"{c['file']}-{e['stream']}") for c in ENTRIES for e in c.get("expect", [])]


def claims(expect: dict[str, Any], name: str) -> set[str]:
    """The values that an expectation allows for a field, without null."""
    value = expect.get(name, MANIFEST["defaults"].get(name, []))
    return {v for v in (value if isinstance(value, list) else [value]) if v != NULL}


def test_every_file_is_told_of_and_every_file_told_of_is_there() -> None:
    there = {p.name for p in CAPTURES.iterdir() if p.is_file()}
    told = [c["file"] for c in ENTRIES]
    assert len(told) == len(set(told))
    assert there == {*told, "README.md", "manifest.toml", "ca.pem", "crl.pem"}
    keys = {f"keys/{p.name}" for p in (CAPTURES / "keys").iterdir()}
    assert keys == {c["keylog"] for c in ENTRIES if "keylog" in c}
    options = [MANIFEST["options"], *(c.get("options", {}) for c in ENTRIES)]
    assert all((CAPTURES / file).is_file() for o in options for file in o.values())


def test_every_capture_can_be_made_anew_and_in_the_order_of_the_manifest() -> None:
    variants = [f"{name}{variant.suffix}" for name, variant in VARIANTS.items()]
    assert [c["file"] for c in ENTRIES] == [*(f"{name}.pcap" for name in SCENARIOS), *variants]
    bases = {c["file"]: c["variant_of"] for c in ENTRIES if "variant_of" in c}
    assert bases == {f"{name}{v.suffix}": f"{v.base}.pcap" for name, v in VARIANTS.items()}


def test_captures_are_small() -> None:
    sizes = {p.name: p.stat().st_size for p in CAPTURES.rglob("*") if p.is_file()}
    assert max(sizes[c["file"]] for c in ENTRIES) < 12_000
    assert sum(sizes.values()) < 700_000


@pytest.mark.parametrize("name", SCENARIOS)
def test_only_documentation_hosts_speak(name: str) -> None:
    segments = read_datagrams(CAPTURES / f"{name}.pcap") or read_segments(CAPTURES / f"{name}.pcap")
    assert {end.ip for s in segments for end in (s.source, s.destination)} <= HOSTS
    assert not any(word in s.payload for s in segments for word in (b"127.0.0.1", b"localhost", b"/tmp", b"/home"))
    assert [s.time for s in segments] == sorted({s.time for s in segments})


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_are_computed_from_their_bases(name: str) -> None:
    variant = VARIANTS[name]
    made, stored = variant.make(CAPTURES), (CAPTURES / f"{name}{variant.suffix}").read_bytes()
    if variant.suffix.endswith(".gz"):  # how well it is compressed depends on zlib
        made, stored = gzip.decompress(made), gzip.decompress(stored)
    assert made == stored


def test_nothing_is_secret_but_the_secrets_of_throw_away_sessions() -> None:
    assert not [p.name for p in CAPTURES.rglob("*") if p.is_file() and b"PRIVATE KEY" in p.read_bytes()]
    labels = {line.split()[0] for p in (CAPTURES / "keys").iterdir() for line in p.read_text().splitlines()}
    assert labels <= {"CLIENT_RANDOM", "EXPORTER_SECRET", "CLIENT_EARLY_TRAFFIC_SECRET", "EARLY_EXPORTER_SECRET"} | {
        f"{side}_{kind}" for side in ("CLIENT", "SERVER") for kind in ("HANDSHAKE_TRAFFIC_SECRET", "TRAFFIC_SECRET_0")
    }


def test_root_and_revocation_list_are_those_of_the_captures() -> None:
    root = x509.load_pem_x509_certificate((CAPTURES / "ca.pem").read_bytes())
    assert root.public_key() == pki.make_key("root", "ec").public_key()
    crl = x509.load_pem_x509_crl((CAPTURES / "crl.pem").read_bytes())
    assert crl.is_signature_valid(pki.make_key("issuing", "ec").public_key())
    [revoked] = crl
    flight = b"".join(s.payload for s in read_segments(CAPTURES / "client-certificate-revoked.pcap"))
    assert revoked.serial_number.to_bytes(8) in flight


@pytest.mark.parametrize("expect", expectations())
def test_expectations_speak_the_language_of_the_contract(expect: dict[str, Any]) -> None:
    fields = {f.name for f in dataclasses.fields(results.HandshakeReport)}
    assert set(expect) <= fields | {"needs_keys"}
    assert set(expect.get("needs_keys", [])) <= set(expect) | {"handshake"}
    assert claims(expect, "outcome") <= set(get_args(results.Outcome))
    assert claims(expect, "authentication") <= set(get_args(results.Authentication))
    assert claims(expect, "authentication_basis") <= set(get_args(results.Basis))
    assert claims(expect, "resumption") <= {"session-id", "session-ticket", "psk"}
    assert all(name.endswith(".example.com") for name in claims(expect, "server_name"))


@pytest.mark.parametrize("expect", expectations())
def test_expectations_do_not_contradict_themselves(expect: dict[str, Any]) -> None:
    authentication = expect.get("authentication")
    if authentication in ("mutual", "requested-not-provided") and "resumes" not in expect:
        assert expect["client_certificate_requested"] is True
        assert expect["client_certificate_presented"] is (authentication == "mutual")
    if authentication == "undetermined":
        assert not claims(expect, "authentication_basis")
    if expect.get("outcome") == "failed":
        assert claims(expect, "root_cause")


def test_captures_say_what_they_show() -> None:
    for capture in ENTRIES:
        assert capture["title"]
        assert capture["shows"].endswith(".")
        assert "variant_of" in capture or (capture["client"] and capture["server"] and capture["expect"])
