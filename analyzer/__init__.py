"""mtlscope: was a TLS handshake in a packet capture one-way or mutual, on what evidence, and how did it end?

    import analyzer

    report = analyzer.analyze("capture.pcapng")
    for handshake in report.handshakes:
        print(handshake.client, handshake.server, handshake.authentication, handshake.outcome)

Names are imported when they are first used, so that `import analyzer` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from analyzer.graph import graph  # at once: later the package of the same name would stand in its place

if TYPE_CHECKING:
    from analyzer.api import analyze, analyze_many, handshakes
    from analyzer.errors import AnalyzerError, CaptureError, FormatError, UsageError
    from analyzer.inventory import certificates
    from analyzer.results import CaptureReport, HandshakeReport
    from analyzer.settings import Limits

    __version__: str

__all__ = [
    "analyze",
    "analyze_many",
    "handshakes",
    "graph",
    "certificates",
    "CaptureReport",
    "HandshakeReport",
    "Limits",
    "AnalyzerError",
    "CaptureError",
    "FormatError",
    "UsageError",
    "__version__",
]

_HOME = {
    "analyze": "api",
    "analyze_many": "api",
    "handshakes": "api",
    "certificates": "inventory",
    "CaptureReport": "results",
    "HandshakeReport": "results",
    "Limits": "settings",
    "AnalyzerError": "errors",
    "CaptureError": "errors",
    "FormatError": "errors",
    "UsageError": "errors",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("mtlscope")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
