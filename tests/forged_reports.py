"""Reports made by hand, for the tests of what is written about them."""

from typing import Any

from analyzer.issues import Issue
from analyzer.results import (
    AlertReport,
    CaptureReport,
    CertificateReport,
    ChainReport,
    CheckReport,
    Closing,
    Endpoint,
    Evidence,
    Finding,
    FindingEvidence,
    HandshakeReport,
    MessageReport,
    ProofReport,
)

START = 1_795_443_901_123_456_000
"""2026-11-23 14:25:01.123456 UTC."""

LEAF = CertificateReport(
    "CN=mydomain.example", "CN=Test CA", "0A", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z",
    ["DNS:mydomain.example"], "EC secp256r1", "ecdsa-with-SHA256", "ab" * 32, False, False,
)  # fmt: skip


def handshake(**changes: Any) -> HandshakeReport:
    """A mutual TLS 1.2 handshake with every field known, but for `changes`."""
    known: dict[str, Any] = {
        "capture": "a.pcap",
        "stream": 3,
        "display_filter": "tcp.stream eq 3",
        "first_frame": 4,
        "last_frame": 11,
        "start": START,
        "duration": 0.0312,
        "client": Endpoint("192.0.2.10", 52344),
        "server": Endpoint("2001:db8::7", 8443),
        "server_name": "mydomain.example",
        "version": "TLSv1.2",
        "cipher_suite": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "group": "x25519",
        "alpn": "h2",
        "outcome": "established",
        "outcome_basis": "observed",
        "authentication": "mutual",
        "authentication_basis": "observed",
        "evidence": [Evidence(8, "client", "certificate", "The client sent a certificate.")],
        "client_certificate_requested": True,
        "client_certificate_presented": True,
        "proofs": [ProofReport("client", "certificate_verify", "pass", "rsa_pss_rsae_sha256", 8, None)],
        "messages": [MessageReport(4, 0.0, "client", "client_hello", 312, "cleartext")],
        "certificates": {"server": [LEAF], "client": [LEAF]},
        "chain": {
            "server": ChainReport(
                "pass", "CN=Test CA", [CheckReport("name-match", "pass", LEAF.sha256, None, None, None)]
            ),
            "client": None,
        },
        "closed_by": Closing("server", "fin", 12),
        "ja3": "a" * 32,
        "ja3s": "b" * 32,
        "ja4": "t13d1516h2_8daaf6152771_b186095e22b6",
        "history": "CsxkrnXGYIti",
    }
    return HandshakeReport(**{**known, **changes})


def failed_handshake(**changes: Any) -> HandshakeReport:
    """A handshake that the server refused, with its diagnosis, but for `changes`."""
    return handshake(
        **{
            "stream": 4,
            "authentication": "requested-not-provided",
            "outcome": "failed",
            "alerts": [AlertReport(9, "server", "fatal", "handshake_failure")],
            "certificates": {"server": [LEAF], "client": []},
            "findings": [
                Finding("certificate-expires-soon", "notice", "certain", "server", "It ends.", "Renew it."),
                Finding(
                    "client-certificate-missing", "error", "certain", "client-authentication",
                    "The client sent none.", "Give it one.", [FindingEvidence(9, "frame.number == 9")],
                ),
            ],
            "root_cause": "client-certificate-missing",
            **changes,
        }
    )  # fmt: skip


def capture(*handshakes: HandshakeReport, **changes: Any) -> CaptureReport:
    """A capture with these handshakes and one issue, but for `changes`."""
    known = {
        "capture": "a.pcap",
        "format": "pcap",
        "frames": 2140,
        "bytes": 300_000,
        "start": START,
        "end": START + 10**10,
        "connections": 50,
        "conversations": 3,
        "handshakes": list(handshakes),
        "issues": [Issue("gap", "a segment is missing", 3, 12)],
    }
    return CaptureReport(**{**known, **changes})
