"""How is a capture read that is still being made, such as `tcpdump -U -w - | mtlscope analyze -`?"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupt_ends_input() -> Iterator[None]:
    """Let the first Ctrl-C end what stdin gives, and only the second one the program: so the report is completed."""
    before = signal.getsignal(signal.SIGINT)

    def end_input(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        nowhere = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nowhere, sys.stdin.fileno())
        os.close(nowhere)

    signal.signal(signal.SIGINT, end_input)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
