"""Every exception that leaves the package.

AnalyzerError
├── CaptureError         the capture cannot be read (exit status 3)
│   └── FormatError      its format is not one that we read; the message names it
└── UsageError           the caller asked for something that makes no sense (exit status 2)

Bad bytes inside a readable capture never raise: they become values (`malformed`) or issues.
"""


class AnalyzerError(Exception):
    """Base of all errors of mtlscope; its text is one line, meant for a person."""


class CaptureError(AnalyzerError):
    """A capture could not be read: `name` is the file (or `-`), `reason` says what is wrong and where."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason

    def __reduce__(self) -> tuple[type["CaptureError"], tuple[str, str]]:
        return type(self), (self.name, self.reason)


class FormatError(CaptureError):
    """The file is not a capture, or of a format that mtlscope does not read."""


class UsageError(AnalyzerError):
    """An argument or option is wrong."""
