"""What an analysis yields: the one thing that everything above (formats, pictures, archives) consumes.

The names and meanings are the public contract of the JSON output: a field here is a key there, in this order.
Enumerations are lower-case words with dashes. Times are nanoseconds here and ISO 8601 in JSON.

What a handshake has many of is neither frozen nor slotted: it is made in a third of the time, and written in a quarter.
"""

from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Literal

from analyzer.issues import Issue

if TYPE_CHECKING:
    from scapy.packet import Packet

    from analyzer.diagram.sequence import Diagram
    from analyzer.tls.carrier import Carrier
    from analyzer.tls.handshake import Handshake

SCHEMA_VERSION = 1

Sender = Literal["client", "server"]
Basis = Literal["observed", "decrypted", "inferred", "inherited"]
Authentication = Literal["one-way", "mutual", "requested-not-provided", "psk", "anonymous", "undetermined"]
Outcome = Literal["established", "failed", "incomplete"]
Protection = Literal["cleartext", "decrypted", "encrypted"]
Status = Literal["pass", "fail", "not-applicable", "undetermined"]


@dataclass(frozen=True)
class Endpoint:
    """One end of a connection."""

    ip: str
    """Textual address, RFC 5952 for IPv6."""
    port: int
    """TCP or UDP port."""

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


@dataclass
class HandshakeReference:
    """Names another handshake of the same capture."""

    stream: int
    """As `HandshakeReport.stream`."""
    handshake: int
    """As `HandshakeReport.handshake`."""


@dataclass
class Evidence:
    """One observation that the verdict rests on."""

    frame: int | None
    """Where it is seen; null where it is the absence of something."""
    sender: Sender | None
    """Who sent it."""
    message: str | None
    """The TLS message, by its contract name."""
    says: str
    """What it shows, in one sentence."""


@dataclass
class MessageReport:
    """One handshake message, alert or ChangeCipherSpec; the first application data of each direction."""

    frame: int
    """The frame that completes it, as Wireshark shows it."""
    time: float
    """Seconds since the handshake's start."""
    sender: Sender
    """Who sent it."""
    message: str
    """RFC 8446's lower-case name, `change_cipher_spec`, `alert`, `application_data` or `encrypted_handshake`."""
    length: int
    """Bytes of the message's body (of an encrypted one: of the record's fragment)."""
    protection: Protection
    """How it was read."""


@dataclass
class AlertReport:
    """One alert (RFC 8446, section 6)."""

    frame: int
    """Where it is."""
    sender: Sender
    """Who sent it."""
    level: str | None
    """warning or fatal; null where encrypted."""
    description: str | None
    """IANA's name; null where encrypted."""


@dataclass
class Closing:
    """Who ended the connection first, and how."""

    sender: Sender
    """Who sent the first FIN or RST."""
    how: Literal["fin", "rst"]
    """Which of the two."""
    frame: int
    """Where it is."""


@dataclass
class ProofReport:
    """One signature or MAC that the capture lets one check."""

    of: Sender
    """Whose identity or knowledge of the keys it proves."""
    message: str
    """server_key_exchange, certificate_verify or finished."""
    status: Literal["pass", "fail", "undetermined"]
    """The result."""
    algorithm: str | None
    """Signature scheme or hash, by IANA's name."""
    frame: int | None
    """Where the message is."""
    reason: str | None
    """Why it is undetermined or failed."""


@dataclass
class CertificateReport:
    """One certificate as sent (RFC 5280)."""

    subject: str
    """RFC 4514 text."""
    issuer: str
    """RFC 4514 text."""
    serial_number: str
    """Upper-case hexadecimal, as in OpenSSL."""
    not_before: str | None
    """ISO 8601 UTC."""
    not_after: str | None
    """ISO 8601 UTC."""
    san: list[str]
    """Subject alternative names as `DNS:…`, `IP:…`, `URI:…`, `email:…`."""
    key: str
    """Such as `RSA 2048`, `EC secp256r1`, `Ed25519`."""
    algorithm: str
    """The signature algorithm's name."""
    sha256: str
    """Fingerprint of the DER, lower-case hexadecimal."""
    self_signed: bool
    """Issuer equals subject, and its own key verifies the signature."""
    ca: bool
    """Basic constraints say CA."""


@dataclass
class CheckReport:
    """One check of a chain."""

    check: str
    """Its name in the contract's list, such as `validity-period`."""
    status: Status
    """The result."""
    certificate: str | None
    """SHA-256 of the certificate that it is about."""
    expected: str | None
    """What would have passed."""
    got: str | None
    """What was there."""
    citation: str | None
    """Such as `RFC 5280, section 4.1.2.5`."""


@dataclass
class ChainReport:
    """Whether one side's certificates lead to an anchor, and every reason why not."""

    status: Status
    """The sum of the checks."""
    anchor: str | None
    """Subject of the trust anchor."""
    checks: list[CheckReport]
    """All of them."""


@dataclass
class FindingEvidence:
    """Where to look in Wireshark."""

    frame: int | None
    """Frame number."""
    display_filter: str
    """A Wireshark display filter that shows it."""


@dataclass
class Finding:
    """Why something failed, or what is remarkable, and what to do."""

    code: str
    """The root cause's public name."""
    severity: Literal["error", "warning", "notice"]
    """How bad."""
    confidence: Literal["certain", "likely", "possible"]
    """How sure."""
    stage: str
    """Where in the handshake."""
    summary: str
    """One sentence."""
    remedy: str
    """What a person can do, and for which party."""
    evidence: list[FindingEvidence] = field(default_factory=list)
    """What it rests on."""


@dataclass
class RequestReport:
    """The first request that was made inside TLS, without query string, tokens, cookies and body."""

    frame: int | None
    """Where the client's first application data are."""
    method: str
    """Such as GET (RFC 9110, section 9)."""
    authority: str | None
    """Host, and maybe port, that was asked for."""
    path: str | None
    """Without the query string; what may be a token in it is `…`."""
    purpose: Literal["oauth-token"] | None
    """oauth-token: method and path are those of a request for a token (RFC 6749, section 3.2)."""


@dataclass
class ResponseReport:
    """The first answer to it."""

    frame: int | None
    """Where the server's first application data are."""
    status: int
    """Status code (RFC 9110, section 15)."""
    reason: str | None
    """Its words, where they are a reason phrase like any other; HTTP/2 has none."""


@dataclass
class ApplicationReport:
    """What was said first inside TLS, where it is HTTP and was decrypted."""

    protocol: str
    """http/1.0, http/1.1 or h2."""
    request: RequestReport | None
    """Null where it cannot be read."""
    response: ResponseReport | None
    """Null where it cannot be read."""


@dataclass(slots=True, kw_only=True)
class HandshakeReport:
    """All that is known of one handshake; every field is always present, what is not known is None."""

    schema_version: int = SCHEMA_VERSION
    """Version of this structure: it grows, it never changes meaning."""
    capture: str
    """Name of the capture as given, `-` for stdin."""
    transport: Literal["tcp", "udp", "quic"] = "tcp"
    """udp is DTLS."""
    stream: int
    """Wireshark's tcp.stream (or udp.stream) for the same file."""
    handshake: int = 0
    """0 is the first on this connection; a renegotiation is 1."""
    display_filter: str
    """Shows the connection in Wireshark."""
    first_frame: int
    """Frame of the first byte of the first message."""
    last_frame: int
    """Frame of the last message, alert or closing that belongs to this handshake."""
    start: int
    """Nanoseconds since 1970-01-01 UTC; ISO 8601 in JSON."""
    duration: float | None
    """Seconds from the first message to the last of the handshake proper."""
    client: Endpoint
    """Who sent the ClientHello (or opened the connection)."""
    server: Endpoint
    """The other."""
    preamble: str | None = None
    """What was spoken in clear before TLS: smtp, http-connect …; several joined by `+`."""
    server_name: str | None = None
    """Server name indication (RFC 6066, section 3)."""
    version: str | None = None
    """SSLv2 SSLv3 TLSv1.0 TLSv1.1 TLSv1.2 TLSv1.3 DTLSv1.0 DTLSv1.2 DTLSv1.3; null where none was agreed."""
    cipher_suite: str | None = None
    """IANA's name, `0x1234` where unknown."""
    group: str | None = None
    """Named group of the key exchange."""
    alpn: str | None = None
    """Chosen application protocol (RFC 7301); in TLS 1.3 without keys unknown."""
    hello_retry_request: bool = False
    """The server asked for another ClientHello (RFC 8446, section 4.1.4)."""
    early_data: bool = False
    """The client offered 0-RTT data (RFC 8446, section 2.3)."""
    resumption: Literal["session-id", "session-ticket", "psk"] | None = None
    """How an earlier session was resumed."""
    resumes: HandshakeReference | None = None
    """The original, where this capture holds it."""
    outcome: Outcome
    """established, failed, or incomplete (the capture does not show the end)."""
    outcome_basis: Basis | None = None
    """What the outcome rests on."""
    authentication: Authentication
    """The verdict."""
    authentication_basis: Basis | None = None
    """What the verdict rests on; null where undetermined."""
    evidence: list[Evidence] = field(default_factory=list)
    """The observations behind verdict and outcome, or why there is none."""
    client_certificate_requested: bool | None = None
    """A CertificateRequest was sent."""
    client_certificate_presented: bool | None = None
    """The client sent a certificate that is not empty."""
    proofs: list[ProofReport] = field(default_factory=list)
    """Signatures and MACs, checked."""
    messages: list[MessageReport] = field(default_factory=list)
    """In the order of the capture."""
    alerts: list[AlertReport] = field(default_factory=list)
    """In the order of the capture."""
    closed_by: Closing | None = None
    """Who closed first."""
    certificates: dict[Sender, list[CertificateReport]] = field(default_factory=lambda: {"server": [], "client": []})
    """As sent, leaf first."""
    chain: dict[Sender, ChainReport | None] = field(default_factory=lambda: {"server": None, "client": None})
    """Validation of each side's certificates."""
    ja3: str | None = None
    """Fingerprint of the ClientHello."""
    ja3s: str | None = None
    """Fingerprint of the ServerHello."""
    ja4: str | None = None
    """Fingerprint of the ClientHello."""
    history: str | None = None
    """Zeek's ssl_history letters, client upper case."""
    findings: list[Finding] = field(default_factory=list)
    """Diagnosis."""
    root_cause: str | None = None
    """The one finding to read first; null where nothing failed."""
    application: ApplicationReport | None = None
    """The first request and response; null unless they were asked for and could be decrypted."""
    facts: "Handshake | None" = field(default=None, repr=False, compare=False)
    """The parsed messages that this was made of, for pictures and people; no part of the schema."""
    carrier: "Carrier | None" = field(default=None, repr=False, compare=False)
    """What TCP did below, where that is remarkable; no part of the schema."""

    @property
    def place(self) -> tuple[str, int, int]:
        """Transport, stream and number: which handshake of its capture it is, and where it stands in a report."""
        return self.transport, self.stream, self.handshake

    def diagram(self) -> "Diagram":
        """Draw it: a sequence diagram that can be saved, and that shows itself in a notebook."""
        from analyzer.diagram.captured import diagram  # a look upward, as below: a method where users expect it

        return diagram(self)

    def to_scapy(self) -> "list[Packet | None]":
        """What Scapy makes of its messages, to go on with it there: see `analyzer.tls.handshake.Handshake.to_scapy`."""
        return self.facts.to_scapy() if self.facts is not None else []

    def _repr_html_(self) -> str:
        from analyzer.report import notebook

        return notebook.handshake(self)


@dataclass(slots=True)
class CaptureReport:
    """All handshakes of one capture, and what the capture lacks."""

    capture: str
    """Name as given, `-` for stdin."""
    format: str | None = None
    """Such as `pcap`, `pcapng`, `pcap+gzip`."""
    frames: int = 0
    """Frames read."""
    bytes: int = 0
    """Captured bytes of those frames."""
    start: int | None = None
    """Time of the first frame, nanoseconds since 1970-01-01 UTC."""
    end: int | None = None
    """Time of the last frame."""
    connections: int = 0
    """TCP connections seen, TLS or not."""
    conversations: int = 0
    """UDP conversations seen, DTLS and QUIC or not."""
    handshakes: list[HandshakeReport] = field(default_factory=list)
    """Ordered by transport, stream and handshake."""
    issues: list[Issue] = field(default_factory=list)
    """What the capture lacks or hides."""
    part: bool = False
    """More of this live capture follows: these are the handshakes that have ended since the part before."""
    error: str | None = None
    """Why reading stopped early or could not begin; null where all was read."""

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to a file whose suffix says the format: `.html`, `.json`, `.jsonl`, `.csv`, `.md` …

        Raises:
            UsageError: the suffix is that of no format.
            OSError: the file cannot be written.
        """
        from analyzer.report import formats

        formats.save([self], path)

    def _repr_html_(self) -> str:
        from analyzer.report import notebook

        return notebook.capture(self)
