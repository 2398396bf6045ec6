"""Trust stores are loaded from all that people keep certificates in, and what is none is refused in one line."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import pki_builder as made
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption, pkcs12
from pki_builder import INTERMEDIATE, ROOT, SERVER

from analyzer import truststores
from analyzer.errors import UsageError
from analyzer.pki.certificate import Certificate
from analyzer.pki.trust import NO_STORE, TrustStore

ROOT_DER, OTHER_DER = ROOT.der(), INTERMEDIATE.der()
LOADED = x509.load_der_x509_certificate(ROOT_DER)


def pem(encoded: bytes, label: str = "CERTIFICATE") -> bytes:
    body = base64.encodebytes(encoded).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode()


def anchors(*names: object, **options: bytes) -> list[bytes]:
    return [one.der for one in truststores.load(names, **options).anchors]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (pem(ROOT_DER), [ROOT_DER]),
        (
            b"Bag Attributes\r\n" + pem(ROOT_DER).replace(b"\n", b"\r\n") + b"junk\n" + pem(OTHER_DER),
            [ROOT_DER, OTHER_DER],
        ),
        (pem(ROOT_DER) * 3, [ROOT_DER]),
        (pem(b"\x30\0", "PRIVATE KEY") + pem(ROOT_DER), [ROOT_DER]),
        (pem(ROOT_DER + b"\x30\0", "TRUSTED CERTIFICATE"), [ROOT_DER]),
        (ROOT_DER, [ROOT_DER]),
    ],
)
def test_files_of_pem_and_der(tmp_path, content, expected):
    path = tmp_path / "store"
    path.write_bytes(content)
    assert anchors(path) == expected


def test_a_folder_is_read_as_far_as_it_holds_certificates(tmp_path):
    (tmp_path / "a.pem").write_bytes(pem(ROOT_DER))
    (tmp_path / "5ed36f99.0").write_bytes(pem(ROOT_DER))
    (tmp_path / "b.crt").write_bytes(OTHER_DER)
    (tmp_path / "README.txt").write_text("not a certificate")
    (tmp_path / "deeper.pem").mkdir()
    assert anchors(tmp_path) == [ROOT_DER, OTHER_DER]


@pytest.mark.parametrize("password", [None, b"changeit", b"secret"])
def test_pkcs12(tmp_path, password):
    path = tmp_path / "store.p12"
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"root", None, None, [LOADED], encryption))
    if password == b"secret":
        with pytest.raises(UsageError, match="openssl pkcs12 -nokeys"):
            anchors(path)
        assert anchors(path, password=password) == [ROOT_DER]
    else:
        assert anchors(path) == [ROOT_DER]


@pytest.mark.skipif(shutil.which("keytool") is None, reason="no keytool")
@pytest.mark.parametrize("kind", ["PKCS12", "JKS"])
def test_stores_that_java_makes(tmp_path, kind):
    path, certificate = tmp_path / "trust.store", tmp_path / "root.der"
    certificate.write_bytes(ROOT_DER)
    arguments = ["-importcert", "-noprompt", "-alias", "root", "-storepass", "changeit", "-storetype", kind]
    command = ["keytool", *arguments, "-file", str(certificate), "-keystore", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    assert anchors(path) == [ROOT_DER]


def java_store(*entries: bytes, magic: bytes = b"\xfe\xed\xfe\xed", version: int = 2) -> bytes:
    return magic + version.to_bytes(4) + len(entries).to_bytes(4) + b"".join(entries) + bytes(20)


def java_entry(tag: int, content: bytes) -> bytes:
    return tag.to_bytes(4) + b"\0\5alias" + bytes(8) + content


def java_certificate(encoded: bytes, version: int = 2) -> bytes:
    return (b"\0\5X.509" if version == 2 else b"") + len(encoded).to_bytes(4) + encoded


TRUSTED = java_entry(2, java_certificate(ROOT_DER))
PRIVATE = java_entry(1, b"\0\0\0\3key" + b"\0\0\0\2" + 2 * java_certificate(OTHER_DER))
SECRET = java_entry(3, b"\xac\xed")


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("magic", [b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"])
def test_java_s_own_stores_are_read_without_what_belongs_to_private_keys(tmp_path, magic, version):
    path = tmp_path / "cacerts"
    trusted = java_entry(2, java_certificate(ROOT_DER, version))
    chain = 2 * java_certificate(OTHER_DER, version)
    own = java_entry(1, b"\0\0\0\3key" + b"\0\0\0\2" + chain)
    path.write_bytes(java_store(own, trusted, own, trusted, magic=magic, version=version))
    assert anchors(path) == [ROOT_DER]


def test_no_java_store_is_cut_without_being_refused(tmp_path):
    path = tmp_path / "cacerts"
    whole = java_store(PRIVATE, TRUSTED)
    for end in range(4, len(whole) - 20):
        path.write_bytes(whole[:end])
        with pytest.raises(UsageError, match="damaged"):
            anchors(path)


def test_several_stores_are_one_and_each_anchor_knows_its_own(tmp_path):
    path = tmp_path / "mine.pem"
    path.write_bytes(pem(ROOT_DER))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    store = TrustStore.union([TrustStore("other", [Certificate(OTHER_DER)]), truststores.load([path])])
    assert (store.name, len(store)) == (f"other + {path}", 2)
    assert str(store.part_of(Certificate(ROOT_DER))) == f"{path} of 2023-11-14 (1 anchor)"
    assert Certificate(SERVER.der()) not in store
    assert [one.der for one in store.issuers(Certificate(SERVER.der()).issuer)] == [OTHER_DER]


@pytest.mark.parametrize("inside", ["", "one.pem"])
def test_a_store_is_read_once_and_anew_where_its_file_has_changed(inside, tmp_path):
    store = tmp_path / "store"
    path = store / inside
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pem(ROOT_DER))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    before = truststores.load([store])
    assert truststores.load([store]) is before
    path.write_bytes(pem(OTHER_DER))
    assert anchors(store) == [OTHER_DER]
    path.unlink()
    with pytest.raises(UsageError):
        truststores.load([store])


def test_mozilla_has_a_version():
    pytest.importorskip("certifi")
    store = truststores.load(["mozilla"])
    assert len(store) > 100
    assert store.date
    assert store.public


def test_system_or_a_clear_refusal():
    try:
        assert truststores.load(["system"]).public
    except UsageError as error:
        assert "usual places" in str(error)


def test_none_is_no_store():
    assert truststores.load(["none"]) is NO_STORE
    assert truststores.load([]) is NO_STORE
    assert not NO_STORE.known


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no certificate in it"),
        (b"hello", "no certificate in it"),
        (pem(ROOT_DER, "PUBLIC KEY"), "no certificate in it"),
        (b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----", "not base64"),
        (b"\x30\x82\xff\xff", "no certificate"),
        (b"\x30\x05\x02\x01\x03\x30\x00", "PKCS#12"),
        (b"\xce\xce\xce\xce\0\0\0\2", "JCEKS"),
        (java_store(version=3), "version 3"),
        (java_store(PRIVATE), "no certificate in it"),
        (java_store(TRUSTED, SECRET), "secret keys"),
    ],
)
def test_what_is_no_store_is_refused_in_one_line(tmp_path, content, words):
    path = tmp_path / "store"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=words) as caught:
        anchors(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        anchors(tmp_path / "absent.pem")


def test_revocation_lists_as_pem_and_der(tmp_path):
    path = tmp_path / "crl"
    for content in (made.crl(ROOT), pem(made.crl(ROOT), "X509 CRL")):
        path.write_bytes(content)
        assert truststores.load_revocation_list(path).issuer.text == "CN=Root,O=Test"
    path.write_bytes(ROOT_DER)
    with pytest.raises(UsageError, match="no certificate revocation list"):
        truststores.load_revocation_list(path)


def test_lists_of_transparency_logs(tmp_path: Path):
    key = made.key("ec log")
    path = tmp_path / "log_list.json"
    log = {"description": "Test Log", "key": base64.b64encode(made.spki(key)).decode()}
    other = {"description": "Tiled Log", "key": base64.b64encode(made.spki(made.key("ec other log"))).decode()}
    path.write_text(json.dumps({"operators": [{"name": "Test", "logs": [log], "tiled_logs": [other]}]}))
    logs = truststores.load_transparency_logs([path])
    assert logs[made.log_id(key)].name == "Test Log"
    assert {each.name for each in logs.values()} == {"Test Log", "Tiled Log"}
    assert truststores.load_transparency_logs([]) == {}
    path.write_text(json.dumps({"operators": [{"logs": [{**log, "description": "half \ud800"}]}]}))
    assert [each.name for each in truststores.load_transparency_logs([path]).values()] == [r"half \ud800"]
    for wrong in (
        "[]",
        "",
        "{",
        '{"operators": [{}]}',
        '{"operators": [{"logs": [{"description": "x", "key": "!"}]}]}',
    ):
        path.write_text(wrong)
        with pytest.raises(UsageError, match="log_list"):
            truststores.load_transparency_logs([path])
