"""DTLS: TLS over datagrams, which may be lost, repeated and out of order (RFC 6347, RFC 9147)."""
