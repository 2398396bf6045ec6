"""TLS: records, messages, handshakes and what they prove."""
