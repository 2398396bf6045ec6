"""What does each step of a handshake mean, in a sentence? The words that captured and textbook pictures share."""

from typing import NamedTuple

from analyzer.results import Closing, HandshakeReport, Sender

BEFORE = "Before TLS"
HELLO = "Hello"
SERVER = "Server authentication"
CLIENT = "Client authentication"
KEYS = "Key exchange"
FINISHED = "Finished"
RESUMED = "Resumption"
TRAFFIC = "Protected traffic"

PROVES_SERVER = "this proves the server's identity"
PROVES_CLIENT = "this proves the client's identity"

_TITLES = {
    "application_data": "Application data",
    "certificate_url": "CertificateURL",
    "early_data": "Early data",
    "encrypted_handshake": "Encrypted handshake messages",
}
_MEANINGS: dict[tuple[str, Sender], str] = {
    ("hello_request", "server"): "Asks the client for a new handshake on this connection",
    ("client_hello", "client"): "Offers versions and cipher suites, with the client random",
    ("server_hello", "server"): "Chooses version and cipher suite, with the server random",
    ("hello_retry_request", "server"): "No key share of the client's will do: asks for another ClientHello",
    ("hello_verify_request", "server"): "Wants to see that the client's address is its own",
    ("encrypted_extensions", "server"): "Answers to the client's extensions, no longer in clear",
    ("certificate", "server"): "The server's public key, signed by a CA",
    ("certificate", "client"): "The client's public key, signed by a CA",
    ("compressed_certificate", "server"): "The server's public key, signed by a CA, compressed",
    ("compressed_certificate", "client"): "The client's public key, signed by a CA, compressed",
    ("certificate_status", "server"): "The CA's word that the certificate is not revoked (OCSP)",
    ("certificate_request", "server"): "Asks for the client's certificate: this is what makes TLS mutual",
    ("server_hello_done", "server"): "That was all; now it is the client's turn",
    ("certificate_verify", "server"): f"Signs all so far with the server's private key: {PROVES_SERVER}",
    ("certificate_verify", "client"): f"Signs all so far with the client's private key: {PROVES_CLIENT}",
    ("new_session_ticket", "server"): "With it the client can resume this session later",
    ("end_of_early_data", "client"): "No more early data",
    ("key_update", "client"): "From here on the client sends under new keys",
    ("key_update", "server"): "From here on the server sends under new keys",
}
_KEY_EXCHANGES: dict[str, tuple[str, str]] = {
    # What ServerKeyExchange and ClientKeyExchange carry.
    "RSA": (
        "A short-lived RSA key, signed with the server's private key",
        "The pre-master secret, made by the client, encrypted with the server's public key",
    ),
    "DHE": ("The server's key share", "The client's key share"),
    "ECDHE": ("The server's key share", "The client's key share"),
    "DH": ("", "The client's key share; the server's stands in its certificate"),
    "ECDH": ("", "The client's key share; the server's stands in its certificate"),
    "PSK": ("A hint which pre-shared key to use", "The name of the pre-shared key"),
    "DHE_PSK": ("A hint which pre-shared key to use, and a key share", "Name of the pre-shared key, and a key share"),
    "ECDHE_PSK": ("A hint which pre-shared key to use, and a key share", "Name of the pre-shared key, and a key share"),
    "RSA_PSK": ("A hint which pre-shared key to use", "Name of the pre-shared key, and an encrypted secret"),
}


class Note(NamedTuple):
    """Something that happens inside a party, or inside both."""

    key: str
    over: Sender | None
    title: str
    meaning: str


VERIFY_CERTIFICATE = Note(
    "verify-server",
    "client",
    "Client verifies the server's certificate",
    "Does it lead to a CA in its trust store, within its dates, for this server's name?",
)
VERIFY_SERVER = Note(
    "verify-server",
    "client",
    "Client verifies the server's certificate and signature",
    "Does it lead to a CA in its trust store, within its dates, for this server's name? Is the signature its key's?",
)
VERIFY_CLIENT = Note(
    "verify-client",
    "server",
    "Server verifies the client's certificate and signature",
    "Does it lead to a CA in its truststore, within its dates, for this use? Is the signature its key's?",
)
DECRYPT = Note(
    "decrypt",
    "server",
    "Server decrypts the pre-master secret with its private key",
    f"Only the owner of the certificate's key can go on: {PROVES_SERVER}",
)
DERIVE = Note(
    "derive",
    None,
    "Both derive the session keys",
    "From pre-master secret + client random + server random: both need all three",
)
DERIVE_SHARES = Note(
    "derive",
    None,
    "Both compute the pre-master secret from the key shares and derive the session keys",
    "From pre-master secret + client random + server random: both need all three",
)
DERIVE_SHARED = Note(
    "derive",
    None,
    "Both derive the session keys",
    "From the key that they share beforehand + client random + server random",
)
DERIVE_RESUMED = Note(
    "derive",
    None,
    "Both derive new session keys from the earlier master secret",
    "With both new randoms; no certificate is sent, and nobody proves an identity anew",
)
DERIVE_IN_VAIN = Note(
    "derive",
    "client",
    "Client derives the session keys",
    "In vain: the server has already given up",
)
DERIVE_TLS13 = Note(
    "derive",
    None,
    "Both derive the keys from the two key shares",
    "At once: all that follows is encrypted, the certificates too",
)
DERIVE_TLS13_PSK = Note(
    "derive",
    None,
    "Both derive the keys from the pre-shared key",
    "No certificate is sent: to know the key is the proof of an identity",
)
DERIVE_TLS13_BOTH = DERIVE_TLS13_PSK._replace(
    title="Both derive the keys from the pre-shared key and the two key shares"
)
MASTER_SECRET_EXTENDED = "The master secret covers all messages so far (extended master secret, RFC 7627)"
OFFERED_AGAIN = "Offers again, with what the server asked for"
RENEGOTIATED = "Perhaps a new handshake inside of this one: it cannot be read without the keys"
HIDDEN = "Handshake messages that cannot be read without the keys"
EARLY = "Application data under the pre-shared key, sent before the server has answered"
ASKED_LATER = "The client's public key, signed by a CA; one of the server's records before must have asked for it"
DECLINED = "The client has no certificate to show, and declines"
ANSWERS_IN_CLEAR = "What the server answers is no TLS"
SPEAKS_IN_CLEAR = "What the server says is no TLS; it may have said it first"
CLOSED_SILENTLY = "Without an alert, in the midst of the handshake"
USERS_LOG_IN_HERE = "TLS authenticates the machines; users authenticate here, for example with OAuth"

_ALERTS = {
    "close_notify": "no more data will follow",
    "unexpected_message": "a message came that must not come here",
    "bad_record_mac": "a record could not be decrypted: the keys differ, or it was changed on its way",
    "record_overflow": "a record was too long",
    "handshake_failure": "no acceptable set of parameters, or a required certificate is missing",
    "no_certificate_RESERVED": "it has no certificate to show",
    "bad_certificate": "the certificate is not acceptable",
    "unsupported_certificate": "the certificate is of a kind, or for a use, that is not accepted",
    "certificate_revoked": "the certificate was revoked by its issuer",
    "certificate_expired": "the certificate has expired, or is not valid yet",
    "certificate_unknown": "something about the certificate is not acceptable",
    "illegal_parameter": "a field has a value that makes no sense",
    "unknown_ca": "the certificate does not lead to a trusted CA",
    "access_denied": "the certificate is valid, but its owner may not enter",
    "decode_error": "a message could not be read",
    "decrypt_error": "a signature or a Finished does not verify",
    "protocol_version": "no version in common",
    "insufficient_security": "the offer is too weak",
    "internal_error": "something went wrong inside",
    "inappropriate_fallback": "the client tried an older version than needed",
    "user_canceled": "the user gave up",
    "no_renegotiation": "no second handshake on this connection",
    "missing_extension": "a required extension is missing",
    "unsupported_extension": "an extension came that was not offered",
    "unrecognized_name": "no server of that name is here",
    "bad_certificate_status_response": "the stapled OCSP response is not acceptable",
    "unknown_psk_identity": "the pre-shared key is not known",
    "certificate_required": "a client certificate is required",
    "no_application_protocol": "no application protocol in common (ALPN)",
}
ABOUT_CERTIFICATES = frozenset(
    (
        "bad_certificate", "unsupported_certificate", "certificate_revoked", "certificate_expired",
        "certificate_unknown", "unknown_ca", "access_denied", "decrypt_error", "bad_certificate_status_response",
    )
)  # fmt: skip
"""Alerts by which a party refuses the other's certificate or signature."""

PREAMBLES = {
    "http-connect": "an HTTP proxy opens the way with CONNECT",
    "http-upgrade": "HTTP, and an Upgrade to TLS",
    "proxy-protocol": "the PROXY protocol, by which a balancer names the true client",
    "socks4": "a SOCKS proxy opens the way",
    "socks5": "a SOCKS proxy opens the way",
    "postgresql": "PostgreSQL, and its request for TLS",
    "mysql": "MySQL, and its request for TLS",
    "rdp": "RDP, and its request for TLS",
    "tds": "TDS, which carries the handshake",
    "openvpn": "OpenVPN, whose control packets carry the handshake",
    "amqp": "AMQP, and its header for TLS",
    "rfb": "VNC (RFB), and a security type with TLS",
    "nbd": "NBD, and its option STARTTLS",
    "adb": "ADB, and its message STLS",
    "nx": "NX, and both sides' versions",
    **dict.fromkeys(("smtp", "lmtp", "imap", "pop3", "nntp", "managesieve", "ldap", "xmpp", "irc"), "STARTTLS"),
    "ftp": "FTP, and AUTH TLS",
}
"""What was spoken in clear before TLS."""

_ACRONYMS = frozenset(
    ("alpn", "ca", "crl", "dtls", "http", "mac", "ocsp", "psk", "rsa", "sni", "starttls", "tcp", "tls")
)
_VERDICTS = {
    "mutual": "Mutual {tls}",
    "one-way": "One-way {tls}",
    "requested-not-provided": "{tls}, client certificate requested and not provided",
    "psk": "{tls} with a pre-shared key",
    "anonymous": "Anonymous {tls}",
    "undetermined": "{tls} handshake",
}
CONCLUSIONS = {
    "mutual": "Mutual TLS: each side has proven its identity with its certificate",
    "one-way": "One-way TLS: the server has proven its identity, the client was not asked for a certificate",
    "requested-not-provided": "The server asked for a client certificate, got none, and went on without it",
    "psk": "Each side has proven that it knows the pre-shared key; there are no certificates",
    "anonymous": "Nobody has proven an identity: anybody in between could read along",
    "undetermined": "Established; whether it is one-way or mutual cannot be told here",
}


def title(name: str) -> str:
    """A message's name as the RFCs write it: `server_hello_done` is ServerHelloDone."""
    if name.startswith("0x"):
        return f"Handshake message {name}"
    return _TITLES.get(name) or "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def titles(names: tuple[str, ...], empty: bool) -> str:
    """The names of what one step shows; `empty`: the first is a Certificate without a certificate."""
    first, *others = map(title, names)
    return ", ".join([f"{first} (empty)" if empty else first, *others])


def meaning(name: str, sender: Sender) -> str:
    """What a message is for; empty where there is nothing to say."""
    return _MEANINGS.get((name, sender), "")


def key_exchange(kind: str, authentication: str | None, sender: Sender) -> str:
    """What ServerKeyExchange or ClientKeyExchange is for, under this key exchange (see `registry.Suite`)."""
    server, client = _KEY_EXCHANGES.get(kind, ("", ""))
    if sender == "client":
        return client
    if kind in ("DHE", "ECDHE"):
        if authentication == "anonymous":
            return f"{server}, signed by nobody: it proves no identity"
        return f"A key share, signed with its private key over both randoms: {PROVES_SERVER}"
    return server


def finished(sender: Sender, tls13: bool, second: bool) -> str:
    """What Finished is for; `second` where the other side has sent its own already."""
    if tls13:
        return "A MAC over all so far, with the new keys: nobody has changed a message"
    if second:
        return f"That the {'client' if sender == 'server' else 'server'} can read it shows that the keys match"
    return "From here on encrypted with the session keys; Finished covers all messages so far"


def sentence(text: str) -> str:
    """With a capital letter."""
    return text[:1].upper() + text[1:]


def alert(description: str | None) -> str:
    """An alert in plain language."""
    if description is None:
        return "Which one is encrypted"
    return _ALERTS.get(description, "")


def finding(code: str) -> str:
    """A finding's code in words: `starttls-refused` is STARTTLS refused."""
    return " ".join(word.upper() if word in _ACRONYMS else word for word in code.split("-"))


def closing(closed: Closing) -> str:
    """Name the end of a connection."""
    return "Connection reset (RST)" if closed.how == "rst" else "Connection closed (FIN)"


def version(name: str) -> str:
    """`TLSv1.2` as people write it: TLS 1.2."""
    return name.replace("TLSv", "TLS ")


def verdict(report: HandshakeReport) -> str:
    """The picture's title: what kind of handshake, and how it ended."""
    tls = version(report.version or "TLS") + (" over QUIC" if report.transport == "quic" else "")
    if report.version is None and report.facts is None:
        text = "Attempt at TLS"
    else:
        text = _VERDICTS[report.authentication].format(tls=tls)
    if report.resumption and report.authentication != "psk":
        text = f"{text[0].lower()}{text[1:]}" if text[1].islower() else text
        text = f"Resumed {text}"
    if report.authentication_basis == "inferred":
        text += " (inferred)"
    return f"{text}: {report.outcome}"


def unit(transport: str) -> str:
    """What protects its messages: QUIC knows no records (RFC 9001, section 4)."""
    return "packet" if transport == "quic" else "record"


def stream(transport: str, number: int) -> str:
    """A connection as Wireshark counts it, which knows no streams of QUIC."""
    return f"{'tcp' if transport == 'tcp' else 'udp'}.stream {number}"


def preamble(name: str) -> str:
    """What was spoken before TLS, by the contract's names joined by `+`."""
    said = []
    for part in name.split("+"):
        words = PREAMBLES.get(part, part)
        said.append(f"{part.upper()} and STARTTLS" if words == "STARTTLS" else words)
    return ", then ".join(said)
