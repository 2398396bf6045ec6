"""The certificate's SCTs are promises of known logs of Certificate Transparency, where a list of logs was given."""

from collections.abc import Iterator

from analyzer.pki import extensions, signature, times
from analyzer.pki.certificate import Certificate
from analyzer.pki.context import Context, Result, TransparencyLog, failed, listed, not_applicable, passed, undetermined
from analyzer.pki.der import DerError
from analyzer.pki.extensions import SignedCertificateTimestamp
from analyzer.pki.signature import SignatureAlgorithm, Verification

DECIDES = ()
CITATION = "RFC 6962, section 3.2"

_X509_ENTRY, _PRECERT_ENTRY = b"\x00\x00", b"\x00\x01"
_MILLISECOND = times.SECOND // 1000
_ALGORITHMS = {(4, 3): "ecdsa-with-SHA256", (4, 1): "sha256WithRSAEncryption"}


def check(context: Context) -> Iterator[Result]:
    """Verify every SCT whose log is known, embedded ones and those of the TLS extension."""
    leaf, logs = context.path.leaf, context.settings.transparency_logs
    try:
        sent = extensions.timestamp_list(context.exchange.timestamps) if context.exchange.timestamps else ()
    except DerError as error:
        yield failed(leaf, expected="a list of SCTs", got=str(error))
        return
    if not leaf.scts and not sent:
        yield not_applicable("there are no SCTs")
        return
    if not logs:
        yield undetermined(leaf, f"{len(leaf.scts) + len(sent)} SCTs, and no list of logs to check them with")
        return
    entries = [(sct, _X509_ENTRY + _vector(leaf.der)) for sct in sent]
    if leaf.scts:
        if len(context.path.certificates) < 2:
            yield undetermined(leaf, "the issuer, whose key embedded SCTs cover, is not at hand")
            return
        precertificate = _precertificate(leaf, context.path.certificates[1])
        if precertificate is None:
            yield undetermined(leaf, "what the logs signed cannot be rebuilt from the certificate")
            return
        entries += [(sct, _PRECERT_ENTRY + precertificate) for sct in leaf.scts]
    verified = []
    for sct, entry in entries:
        log = logs.get(sct.log_id)
        if log is None:
            continue
        made = sct.time * _MILLISECOND
        if not context.moment.reached(made):
            yield failed(leaf, expected=f"an SCT of {log.name} before the handshake", got=times.iso(made))
            continue
        result = _verify(sct, log, entry)
        if result.status == "pass":
            verified.append(log.name)
        elif result.status == "fail":
            yield failed(leaf, expected=f"a signature of {log.name}", got="a signature that is not by its key")
    if verified:
        yield passed(leaf, listed(verified))
    else:
        yield undetermined(leaf, f"none of {len(entries)} SCTs is of a log in the list")


def _verify(sct: SignedCertificateTimestamp, log: TransparencyLog, entry: bytes) -> Verification:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    name = _ALGORITHMS.get((sct.hash_algorithm, sct.signature_algorithm))
    if name is None or sct.version != 0:
        return Verification("undetermined", "an SCT of an unknown kind")
    try:
        key = load_der_public_key(log.spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        return Verification("undetermined", f"the log's key cannot be loaded: {error}")
    version_and_type = b"\x00\x00"  # v1, certificate_timestamp
    extended = len(sct.extensions).to_bytes(2) + sct.extensions
    signed = version_and_type + sct.time.to_bytes(8) + entry + extended
    return signature.verify(key, SignatureAlgorithm(name, "sha256"), signed, sct.signature)


def _precertificate(leaf: Certificate, issuer: Certificate) -> bytes | None:
    """What a log signs of a certificate with embedded SCTs: the issuer's key, and all but the SCTs."""
    from hashlib import sha256

    from cryptography import x509

    try:
        signed = x509.load_der_x509_certificate(leaf.der).tbs_precertificate_bytes
    except (ValueError, x509.DuplicateExtension, x509.InvalidVersion):
        return None
    return sha256(issuer.spki).digest() + _vector(signed)


def _vector(data: bytes) -> bytes:
    return len(data).to_bytes(3) + data
