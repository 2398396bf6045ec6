"""QUIC: the handshake of TLS 1.3 in packets of its own (RFC 9000, RFC 9001, RFC 9369)."""
