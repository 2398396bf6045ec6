"""The laboratory: throw-away certificates, real TLS stacks, and the captures made of what they said."""
