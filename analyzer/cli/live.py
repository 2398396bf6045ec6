"""How is a capture read that is still being made, such as `tcpdump -U -w - | mtlscope analyze -`?"""

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

from analyzer.results import CaptureReport


def parts(name: str, options: dict[str, Any]) -> Iterator[CaptureReport]:
    """What `analyzer.api.analyze_live` yields; the first Ctrl-C ends the capture, and the second the program."""
    from analyzer.api import analyze_live

    interrupt = signal.getsignal(signal.SIGINT)

    def end_input(*_: object) -> None:
        signal.signal(signal.SIGINT, interrupt)
        nowhere = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nowhere, sys.stdin.fileno())
        os.close(nowhere)

    if name == "-":
        signal.signal(signal.SIGINT, end_input)
    try:
        yield from analyze_live(name, **options)
    finally:
        signal.signal(signal.SIGINT, interrupt)
