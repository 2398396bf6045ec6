"""Why did a handshake fail, and what can be done? From reports to findings."""
