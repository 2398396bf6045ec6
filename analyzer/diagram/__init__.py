"""Pictures of handshakes: one model of a sequence diagram, and one file for each way to draw it."""
