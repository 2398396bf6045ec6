"""What do the tables of a dataset hold? Every column with its type and meaning: the public schema.

Names and words are those of the JSON output (`analyzer.results`). What a JSON object nests is flat here where
SQL wants it flat (`client_ip`), and a list where there are several. A table's `schema.parquet` keeps the meaning of
each column in the field's metadata, under `description`.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

SCHEMA_VERSION = 1
"""Of the tables: columns are added, none changes its meaning."""


@dataclass(slots=True, frozen=True)
class Column:
    """A column of a table, or a field of a list's entries."""

    name: str
    kind: "str | tuple[Column, ...]"
    """string, strings (a list), bool, int, float, time (UTC, microseconds); a tuple of fields is a list of structs."""
    description: str
    """What it says."""


_CAPTURE = (
    Column("capture_id", "string", "Names the capture in all tables: hash of its content and of the options."),
    Column("capture", "string", "Name of the capture as it was given; a member of an archive behind its archive."),
)
_HANDSHAKE = (
    *_CAPTURE,
    Column("transport", "string", "tcp, udp (DTLS) or quic."),
    Column("stream", "int", "Wireshark's tcp.stream or udp.stream."),
    Column("handshake", "int", "0 is the first on this connection; a renegotiation is 1."),
    Column("start", "time", "When the handshake began."),
    Column("client_ip", "string", "Who sent the ClientHello, or opened the connection."),
    Column("client_port", "int", "Its port."),
    Column("server_ip", "string", "The other side."),
    Column("server_port", "int", "Its port."),
    Column("server_name", "string", "Server name indication (RFC 6066, section 3)."),
)
_ALERT = (
    Column("frame", "int", "Where it is."),
    Column("sender", "string", "client or server."),
    Column("level", "string", "warning or fatal; null where encrypted."),
    Column("description", "string", "IANA's name; null where encrypted."),
)
_EVIDENCE = (
    Column("frame", "int", "Where it is seen; null where it is the absence of something."),
    Column("sender", "string", "Who sent it."),
    Column("message", "string", "The TLS message."),
    Column("says", "string", "What it shows, in one sentence."),
)
_PROOF = (
    Column("of", "string", "Whose identity or knowledge of the keys it proves: client or server."),
    Column("message", "string", "server_key_exchange, certificate_verify or finished."),
    Column("status", "string", "pass, fail or undetermined."),
    Column("algorithm", "string", "Signature scheme or hash."),
    Column("frame", "int", "Where the message is."),
    Column("reason", "string", "Why it is undetermined or failed."),
)
_PLACE = (
    Column("frame", "int", "Frame number."),
    Column("display_filter", "string", "A Wireshark display filter that shows it."),
)
_ISSUE = (
    Column("code", "string", "Stable name, such as capture-cut-short."),
    Column("message", "string", "One sentence."),
    Column("count", "int", "How often it occurred."),
    Column("frame", "int", "The first frame that shows it."),
)


def _side(side: str) -> tuple[Column, ...]:
    return (
        Column(f"{side}_certificate_subject", "string", f"Subject of the {side}'s leaf certificate (RFC 4514)."),
        Column(f"{side}_certificate_issuer", "string", "Its issuer."),
        Column(f"{side}_certificate_not_after", "time", "When it expires."),
        Column(f"{side}_certificates", "strings", f"SHA-256 of the certificates that the {side} sent, leaf first."),
        Column(
            f"{side}_chain", "string", "Whether they lead to an anchor: pass, fail, undetermined; null without any."
        ),
        Column(f"{side}_chain_anchor", "string", "Subject of the trust anchor."),
        Column(f"{side}_chain_failed", "strings", "Names of the checks that failed."),
    )


TABLES: dict[str, tuple[Column, ...]] = {
    "handshakes": (
        *_HANDSHAKE,
        Column("start_ns", "int", "The same moment in nanoseconds since 1970-01-01 UTC, for `start` has microseconds."),
        Column("duration", "float", "Seconds from the first message to the last of the handshake proper."),
        Column("first_frame", "int", "Frame of the first byte of the first message."),
        Column("last_frame", "int", "Frame of the last message, alert or closing that belongs to the handshake."),
        Column("display_filter", "string", "Shows the connection in Wireshark."),
        Column("preamble", "string", "What was spoken in clear before TLS: smtp, http-connect and such."),
        Column("version", "string", "TLSv1.2, TLSv1.3 and such; null where none was agreed."),
        Column("cipher_suite", "string", "IANA's name; 0x1234 where unknown."),
        Column("group", "string", "Named group of the key exchange (in SQL: quote it)."),
        Column("alpn", "string", "Application protocol (RFC 7301)."),
        Column("hello_retry_request", "bool", "The server asked for another ClientHello."),
        Column("early_data", "bool", "The client offered 0-RTT data."),
        Column("resumption", "string", "session-id, session-ticket or psk."),
        Column("resumes_stream", "int", "Stream of the original session, where this capture holds it."),
        Column("resumes_handshake", "int", "Handshake of the original session."),
        Column("outcome", "string", "established, failed or incomplete (the capture does not show the end)."),
        Column("outcome_basis", "string", "observed, decrypted, inferred or inherited."),
        Column("authentication", "string", "one-way, mutual, requested-not-provided, psk, anonymous or undetermined."),
        Column(
            "authentication_basis", "string", "observed, decrypted, inferred or inherited; null where undetermined."
        ),
        Column("client_certificate_requested", "bool", "A CertificateRequest was sent; null where that is unknown."),
        Column("client_certificate_presented", "bool", "The client sent a certificate; null where that is unknown."),
        *_side("server"),
        *_side("client"),
        Column("alerts", _ALERT, "In the order of the capture."),
        Column("closed_by", "string", "client or server: who closed first."),
        Column("closed_how", "string", "fin or rst."),
        Column("proofs", _PROOF, "Signatures and MACs, checked."),
        Column("evidence", _EVIDENCE, "What verdict and outcome rest on, or why there is none."),
        Column("ja3", "string", "Fingerprint of the ClientHello."),
        Column("ja3s", "string", "Fingerprint of the ServerHello."),
        Column("ja4", "string", "Fingerprint of the ClientHello."),
        Column("history", "string", "Zeek's ssl_history letters, client upper case."),
        Column("findings", "strings", "Codes of the findings; the table `findings` has all of them."),
        Column("root_cause", "string", "The one finding to read first; null where nothing failed."),
    ),
    "certificates": (
        *_CAPTURE,
        Column("sha256", "string", "Fingerprint of the DER; each certificate stands once per capture."),
        Column("subject", "string", "RFC 4514 text."),
        Column("issuer", "string", "RFC 4514 text."),
        Column("serial_number", "string", "Upper-case hexadecimal."),
        Column("not_before", "time", "When it begins to be valid."),
        Column("not_after", "time", "When it expires."),
        Column("san", "strings", "Subject alternative names as DNS:, IP:, URI:, email:."),
        Column("key", "string", "Such as RSA 2048 or EC secp256r1."),
        Column("algorithm", "string", "The signature algorithm's name."),
        Column("self_signed", "bool", "Issuer equals subject, and its own key verifies the signature."),
        Column("ca", "bool", "Basic constraints say CA."),
        Column("first_seen", "time", "Start of the first handshake that shows it."),
        Column("last_seen", "time", "Start of the last handshake that shows it."),
        Column("handshakes", "int", "Handshakes of this capture that show it."),
        Column("server_leaf", "int", "Handshakes in which it is the server's own."),
        Column("client_leaf", "int", "Handshakes in which it is the client's own."),
    ),
    "findings": (
        *_HANDSHAKE,
        Column("code", "string", "The finding's public name; mtlscope explain has its meaning."),
        Column("severity", "string", "error, warning or notice."),
        Column("confidence", "string", "certain, likely or possible."),
        Column("stage", "string", "Where in the handshake."),
        Column("summary", "string", "One sentence."),
        Column("remedy", "string", "What a person can do, and for which party."),
        Column("is_root_cause", "bool", "It is the one to read first."),
        Column("evidence", _PLACE, "Where to look in Wireshark."),
    ),
    "captures": (
        *_CAPTURE,
        Column("source", "string", "Absolute path or URL of the file, of an archive's member that of the archive."),
        Column("files", "strings", "Of a rotated set the files that were joined in time, as mergecap does; else null."),
        Column("archive_id", "string", "Of a member the `capture_id` of its archive; else null."),
        Column("size", "int", "Bytes of the file or files as stored; of a member as its archive says."),
        Column("modified", "time", "When the file was modified last, where its store tells."),
        Column("members", "int", "Of an archive, how many captures it held; null for a capture."),
        Column("format", "string", "pcap, pcapng or snoop, with the compression after a plus sign."),
        Column("frames", "int", "Frames read."),
        Column("bytes", "int", "Captured bytes of those frames."),
        Column("start", "time", "Time of the first frame."),
        Column("end", "time", "Time of the last frame."),
        Column("connections", "int", "TCP connections seen; of a piece of a long set also those of its neighbours."),
        Column("conversations", "int", "UDP conversations seen; of a piece likewise."),
        Column("handshakes", "int", "Rows that `handshakes` has of it."),
        Column("issues", _ISSUE, "What the capture lacks or hides."),
        Column("error", "string", "Why nothing, or not all, could be read; null where all was."),
    ),
}
"""The columns of each table, in order."""

PARTITIONED = ("handshakes", "certificates", "findings")
"""Tables whose files lie in folders such as `day=2026-11-23`: the date of `start`, of a certificate `first_seen`."""


@cache
def arrow(table: str) -> "pyarrow.Schema":
    """The table's schema for Parquet, without the partition column `day`."""
    import pyarrow as pa

    return pa.schema([_field(column) for column in TABLES[table]], metadata(table))


def metadata(table: str) -> dict[str, str]:
    """What every file of a table says of itself."""
    return {"mtlscope.schema_version": str(SCHEMA_VERSION), "mtlscope.table": table}


def _field(column: Column) -> Any:
    import pyarrow as pa

    return pa.field(column.name, _type(column.kind), metadata={"description": column.description})


def _type(kind: str | tuple[Column, ...]) -> Any:
    import pyarrow as pa

    if isinstance(kind, tuple):
        return pa.list_(pa.struct([_field(column) for column in kind]))
    return {
        "string": pa.string(),
        "strings": pa.list_(pa.string()),
        "bool": pa.bool_(),
        "int": pa.int64(),
        "float": pa.float64(),
        "time": pa.timestamp("us", tz="UTC"),
    }[kind]
