"""From a capture to its report: what can be asked for, and how."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analyzer.analysis import Analysis, Progress, Setup, by_place
from analyzer.capture.join import Joined
from analyzer.capture.reader import Capture, open_capture
from analyzer.capture.rotation import rotated
from analyzer.capture.source import Input
from analyzer.chains import Chains, Files, Trust, several
from analyzer.errors import CaptureError, UsageError
from analyzer.results import CaptureReport, HandshakeReport
from analyzer.secrets import Password, Secrets, load
from analyzer.settings import Limits
from analyzer.shares import ALONE, AloneError, Share
from analyzer.tls.attempt import TLS_PORTS

if TYPE_CHECKING:
    from analyzer.diagnosis.profile import Profile, Role

Captures = Input | list[Input] | tuple[Input, ...]
"""A capture, or the files of one that was written in pieces: they are joined in time."""


def analyze(
    capture: Captures,
    *,
    name: str | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
    trust: Files = "mozilla",
    client_trust: Files = (),
    crl: Files = (),
    ct_logs: Files = (),
    server_name: str | None = None,
    at: str = "capture",
    keylog: Files | Secrets = (),
    server_key: Files = (),
    password: Password = None,
    profile: str | Path | None = None,
    profile_role: "Role | None" = None,
    tls_port: Iterable[int] = (),
    application: bool = False,
    jobs: int = 1,
    share: Share = ALONE,
) -> CaptureReport:
    """Analyze one capture: a path, `-` for stdin, bytes, a binary file object, or a Scapy `PacketList`.

    What is wrong with the capture stands in the report's `issues`.

    Args:
        capture: what to read; a list of captures is taken for one, its pieces joined in time.
        name: what the report calls it.
        limits: how much memory it may take.
        progress: called now and then.
        trust: what the clients trust: `mozilla`, `system`, `none`, files and folders.
        client_trust: what the servers trust; without it client certificates lead to no verdict.
        crl: files of revocation lists.
        ct_logs: lists of the logs of Certificate Transparency (log_list.json); without one SCTs are not checked.
        server_name: whom the client meant to reach, whatever its hello says.
        at: validation time: `capture` (of each handshake), `now`, or an ISO 8601 time.
        keylog: files of secrets (RFC 9850), or what `secrets.load` made of them.
        server_key: files of servers' private RSA keys, which open handshakes with RSA key exchange.
        password: what opens encrypted private keys, or asks for it, given the file's name.
        profile: a platform whose promises are checked too: `salesforce`, or a TOML file.
        profile_role: what that platform is, client or server; without it, the server where the host name is its own.
        tls_port: further ports on which TLS is expected.
        application: tell the first HTTP request and response where they can be decrypted, without what is secret.
        jobs: so many processes do it together, if the capture is a file and there are no secrets. They find the same;
            but the handshakes that others than this one report are without `facts`, and cannot be drawn.
        share: which connections to report, where others report the rest: see `analyzer.shares`.

    Raises:
        CaptureError: nothing of it could be read.
        UsageError: an argument is wrong, or a file that it names.
    """
    asked = {
        "limits": limits,
        "trust": trust,
        "client_trust": client_trust,
        "crl": crl,
        "ct_logs": ct_logs,
        "server_name": server_name,
        "at": at,
        "keylog": keylog,
        "server_key": server_key,
        "password": password,
        "profile": profile,
        "profile_role": profile_role,
        "tls_port": tls_port,
        "application": application,
        "share": share,
    }
    (report,) = _read(capture, name, progress, asked, jobs, in_parts=False)
    return report


def handshakes(
    capture: Captures, *, name: str | None = None, progress: Progress | None = None, **options: Any
) -> Iterator[HandshakeReport]:
    """Yield the handshakes of one capture as they end, in bounded memory; the other options are those of `analyze`.

    A handshake has ended when its connection is over: closed, and silent for five seconds of capture time. Up to
    `Limits.handshakes` of them are judged together, in order, so that a chain may be completed and a cause be found
    with the help of another. A capture that is still being made yields each at once, and an established one after two
    seconds, without what comes later. Connections that failed to become TLS come last, where only their server's
    other connections say that they should have.
    """
    setup = _setup(**options)
    with _open(capture, setup.limits, name) as opened:
        analysis = Analysis(opened, setup, [])
        for ended in analysis.judged(progress):
            yield from ended
        yield from analysis.complete().handshakes


def analyze_live(
    capture: Captures, *, name: str | None = None, progress: Progress | None = None, jobs: int = 1, **options: Any
) -> Iterator[CaptureReport]:
    """Yield the report of one capture in parts, as its handshakes end; the options are those of `analyze`.

    All but the last are a `part`: they have handshakes only, which end and are put together as in `handshakes`.
    A capture of few handshakes that is not still being made has only one report, that of `analyze`.
    """
    return _read(capture, name, progress, options, jobs, in_parts=True)


def _read(
    capture: Captures, name: str | None, progress: Progress | None, asked: dict[str, Any], jobs: int, *, in_parts: bool
) -> Iterator[CaptureReport]:
    """The report of a capture, by so many processes."""
    done = 0
    if jobs > 1 and _is_file(capture) and not (asked.get("keylog") or asked.get("server_key")):
        from analyzer import crew

        with (
            # What several cannot do, or did not live to do, one does.
            suppress(AloneError, crew.BrokenShareError, crew.FailedShareError),
            crew.together(jobs, _help, capture, name, asked, in_parts) as share,
        ):
            for report in _follow(capture, name, progress, _setup(**asked | {"share": share}), in_parts=in_parts):
                report.handshakes = sorted(
                    chain.from_iterable(share.gather("reports", report.handshakes)), key=by_place
                )
                yield report
                done += 1
            return
    yield from islice(_follow(capture, name, progress, _setup(**asked), in_parts=in_parts), done, None)


def _help(share: Share, capture: Captures, name: str | None, asked: dict[str, Any], in_parts: bool) -> None:
    """What each of the other processes does."""
    for report in _follow(capture, name, None, _setup(**asked | {"share": share}), in_parts=in_parts):
        for each in report.handshakes:
            each.facts = each.carrier = None  # too much to hand over
        share.gather("reports", report.handshakes)


def _follow(
    capture: Captures, name: str | None, progress: Progress | None, setup: Setup, *, in_parts: bool
) -> Iterator[CaptureReport]:
    embedded: list[bytes] = []
    parts = 0
    while True:
        with _open(capture, setup.limits, name) as opened:
            analysis = Analysis(opened, setup, embedded)
            for ended in analysis.judged(progress) if in_parts else ():
                parts += 1
                yield CaptureReport(capture=opened.name, format=opened.format, handshakes=ended, part=True)
            last = analysis.complete() if in_parts else analysis.run(progress)
        if parts or not analysis.late_secrets or not _is_file(capture, or_bytes=True):
            yield last
            return
        # Secrets stand behind the traffic that they open: read the capture once more, now that they are known.
        embedded = analysis.embedded


def _is_file(capture: Captures, *, or_bytes: bool = False) -> bool:
    """Whether it can be read again, or by others as well."""
    if isinstance(capture, list | tuple):
        return all(_is_file(one, or_bytes=or_bytes) for one in capture)
    return (or_bytes and isinstance(capture, bytes)) or (isinstance(capture, str | Path) and Path(capture).is_file())


def _open(capture: Captures, limits: Limits, name: str | None) -> Capture | Joined:
    if not isinstance(capture, list | tuple):
        return open_capture(capture, limits=limits, name=name)
    if not capture:
        raise UsageError("no capture to analyze")
    names = rotated(str(file) for file in capture if isinstance(file, str | Path))
    return Joined(capture, limits, name or ", ".join(names) or "<captures>")


def _setup(
    *,
    limits: Limits | None = None,
    trust: Files = "mozilla",
    client_trust: Files = (),
    crl: Files = (),
    ct_logs: Files = (),
    server_name: str | None = None,
    at: str = "capture",
    keylog: Files | Secrets = (),
    server_key: Files = (),
    password: Password = None,
    profile: str | Path | None = None,
    profile_role: "Role | None" = None,
    tls_port: Iterable[int] = (),
    application: bool = False,
    share: Share = ALONE,
) -> Setup:
    if profile is None and profile_role is not None:
        raise UsageError("what the platform is can be said of a profile only (--profile)")
    trusted = Trust(trust, client_trust, crl, server_name, at, ct_logs)
    return Setup(
        limits=limits or Limits(),
        chains=Chains(trusted),
        secrets=_secrets(keylog, server_key, password),
        assumed_trust=trusted.assumed,
        profile=_profile(profile, profile_role) if profile is not None else None,
        tls_ports=TLS_PORTS.union(tls_port),
        application=application,
        share=share,
    )


def _profile(profile: str | Path, role: "Role | None") -> "Profile":
    from analyzer.profiles import load_profile  # few ask for one, and TOML takes time to import

    return load_profile(profile, role)


def _secrets(keylog: Files | Secrets, server_key: Files, password: Password) -> Secrets:
    if isinstance(keylog, Secrets):
        return keylog
    return load(several(keylog), several(server_key), password=password)


def analyze_many(captures: Iterable[Input], **options: Any) -> Iterator[CaptureReport]:
    """Analyze captures one after the other, with the options of `analyze`.

    One that cannot be read yields a report with `error` set.
    """
    options["keylog"] = _secrets(*(options.pop(name, default) for name, default in _SECRETS.items()))
    for capture in captures:
        try:
            yield analyze(capture, **options)
        except CaptureError as error:
            yield CaptureReport(capture=error.name, error=error.reason)


_SECRETS: dict[str, Any] = {"keylog": (), "server_key": (), "password": None}
