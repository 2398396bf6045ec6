"""From frames to ordered byte streams: link layers, IP, TCP and UDP."""
