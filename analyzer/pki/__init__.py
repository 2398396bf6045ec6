"""Certificates: what they say, whether they lead to a trust anchor, and every reason why not."""
