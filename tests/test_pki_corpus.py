"""Certificates of real captures: all yield a view, and read as Zeek's logs say they do."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from test_pki_certificate import agrees

from analyzer.pki.certificate import Certificate
from analyzer.pki.context import Exchange
from analyzer.pki.names import Name
from analyzer.pki.trust import NO_STORE
from analyzer.pki.verdict import Validator

CORPUS = Path(__file__).parents[2] / "shared/corpus"
BASELINES = CORPUS / "zeek-baselines"
pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="no ../shared/corpus")

CERTIFICATE = re.compile(rb"\x30\x82(..)\x30\x82..(?:\xa0\x03\x02\x01|\x02)", re.DOTALL)


def certificates_in(data: bytes) -> Iterator[bytes]:
    """All that begins like a certificate; where segments or records cut it, what follows is something else."""
    for match in CERTIFICATE.finditer(data):
        yield data[match.start() : match.start() + 4 + int.from_bytes(match[1])]


def test_all_that_looks_like_a_certificate_yields_a_view_and_a_verdict():
    validator = Validator(NO_STORE)
    whole = 0
    for capture in sorted(CORPUS.glob("*/*cap*")):
        if capture.stat().st_size > 3 << 20:
            continue
        for encoded in {*certificates_in(capture.read_bytes())}:
            certificate = validator.certificate(encoded)
            assert certificate.report.subject is not None
            validator.validate([encoded], Exchange(role="server", reference="host.test"), time=0)
            try:
                assert x509.load_der_x509_certificate(encoded).extensions is not None
            except ValueError:
                continue
            agrees(encoded)
            whole += 1
    assert whole > 100


def logs() -> list[tuple[str, str]]:
    index = BASELINES / "index.jsonl"
    lines = index.read_text().splitlines() if index.is_file() else []
    pairs = [(entry["capture"], entry["log"]) for entry in map(json.loads, lines)]
    pairs = [pair for pair in pairs if "globus" not in pair[0]]  # base64 in FTP, which tshark does not open
    return sorted({capture: log for capture, log in pairs if log.endswith("__x509.log")}.items())


def seen_by_tshark(capture: str) -> dict[str, Certificate]:
    command = ["tshark", "-r", str(CORPUS / "public" / capture), "-Y", "tls.handshake.certificate"]
    command += ["-T", "fields", "-e", "tls.handshake.certificate"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = map(Certificate, map(bytes.fromhex, re.findall("[0-9a-f]+", output)))
    return {certificate.sha256: certificate for certificate in found}


@pytest.mark.skipif(shutil.which("tshark") is None, reason="no tshark")
@pytest.mark.parametrize(("capture", "log"), logs())
def test_fields_are_those_of_zeek(capture, log):
    seen = seen_by_tshark(capture)
    lines = (BASELINES / log).read_text().splitlines()
    names = next(line.split("\t")[1:] for line in lines if line.startswith("#fields"))
    rows = [dict(zip(names, line.split("\t"), strict=True)) for line in lines if not line.startswith("#")]
    assert rows
    for row in rows:
        certificate = seen[row["fingerprint"]]
        report = certificate.report
        assert str(certificate.version) == row["certificate.version"]
        assert report.serial_number == row["certificate.serial"]
        assert plain(certificate.subject) == row["certificate.subject"]
        assert plain(certificate.issuer) == row["certificate.issuer"]
        assert certificate.not_before == round(float(row["certificate.not_valid_before"])) * 10**9
        assert certificate.not_after == round(float(row["certificate.not_valid_after"])) * 10**9
        assert report.algorithm == row["certificate.sig_alg"]
        assert str(certificate.key.bits) == row["certificate.key_length"]
        dns = [name.text for name in certificate.san or () if name.kind == "DNS"]
        assert (",".join(dns) or "-") == row["san.dns"]
        basic = certificate.basic_constraints
        assert ("-" if basic is None else "T" if basic.ca else "F") == row["basic_constraints.ca"]


def plain(name: Name) -> str:
    """As OpenSSL writes it, which Zeek uses."""
    return name.text.replace("STREET=", "street=")
