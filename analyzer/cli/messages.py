"""One line on stderr: how every command tells what went wrong."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EMFILE, ENFILE, ENOMEM

from analyzer.filenames import named
from analyzer.report.escape import visible

STDOUT = "stdout"
"""Its name in errors."""


def complain(text: str) -> None:
    """Write `mtlscope: text` to stderr, as one line that a terminal cannot be misled by."""
    line = f"mtlscope: {visible(named(text))}\n"
    encoding = sys.stderr.encoding or "utf-8"
    with suppress(OSError):  # nobody is there to be told
        sys.stderr.write(line.encode(encoding, "backslashreplace").decode(encoding))


@contextmanager
def about(place: str) -> Iterator[None]:
    """Have errors of writing name the place: the system does so only where a file cannot be opened."""
    try:
        yield
    except OSError as error:
        if error.filename is None and not is_of_the_process(error):
            error.filename = place
        raise


def is_of_the_process(error: OSError) -> bool:
    """Whether what the process may have is used up, wherever that shows."""
    return error.errno in (EMFILE, ENFILE, ENOMEM)


def fault(error: Exception) -> str:
    """Say of an exception that nobody foresaw what it is, and ask for a report; raise it again for a debugger."""
    if os.environ.get("MTLSCOPE_DEBUG") == "1":
        raise error
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"this is a fault of mtlscope, please report it: {what} (MTLSCOPE_DEBUG=1 shows where)"
