"""The command line: which captures it reads, where it writes, what it says on stderr and how it ends."""

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from forged_reports import capture, failed_handshake, handshake

import analyzer
from analyzer import optionfiles
from analyzer.cli import COMMANDS, main, progress
from analyzer.errors import CaptureError

SAMPLES = Path(__file__).parent.parent / "captures"
CAPTURE = str(SAMPLES / "mutual-tls12.pcap")
PUBLIC_NAMES = {
    "handshakes",
    "AnalyzerError",
    "CaptureError",
    "CaptureReport",
    "FormatError",
    "HandshakeReport",
    "Limits",
    "UsageError",
    "__version__",
    "analyze",
    "analyze_many",
    "certificates",
    "graph",
}


@pytest.fixture
def engine(monkeypatch):
    """In place of the engine: reads no file, gives what the test put into `reports`, and remembers the calls."""
    fake = SimpleNamespace(reports={}, calls=[])

    def analyze(name, *, progress=None, **options):
        fake.calls.append((name, options))
        report = fake.reports.get(name) or capture(handshake(capture=name), capture=name)
        if isinstance(report, BaseException):
            raise report
        return report

    fake.analyze = analyze
    fake.analyze_live = lambda name, **options: iter([analyze(name, **options)])
    monkeypatch.setitem(sys.modules, "analyzer.api", fake)
    return fake


def run(*arguments, env=None, **options):
    return subprocess.run(
        [sys.executable, "-m", "analyzer", *arguments], capture_output=True, text=True, check=False,
        env={**os.environ, **(env or {})}, **options,
    )  # fmt: skip


# Which captures


def test_a_folder_is_searched_for_captures_in_order(engine, tmp_path, capsys):
    made = ["b.pcapng", "a.pcap", "f.pcap1", "sub/c.cap.GZ", "sub/d.pcap.bz2", "sub/d.snoop.zst"]
    for name in [*made, "notes.txt", "e.pcap.part"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert main(["analyze", str(tmp_path)]) == 0
    read = [os.path.relpath(name, tmp_path) for name, _ in engine.calls]
    assert read == ["a.pcap", "b.pcapng", "f.pcap1", "sub/c.cap.GZ", "sub/d.pcap.bz2", "sub/d.snoop.zst"]


def test_a_capture_named_twice_is_read_once_and_any_named_file_is_tried(engine, tmp_path):
    (tmp_path / "a.pcap").touch()
    named = [str(tmp_path / "a.pcap"), str(tmp_path / "." / "a.pcap"), str(tmp_path), "-", "-", "odd-name"]
    assert main(["analyze", *named]) == 0
    assert [name for name, _ in engine.calls] == [named[0], "-", "odd-name"]


def test_unreadable_captures_do_not_stop_the_others(engine, capsys):
    engine.reports["bad"] = CaptureError("bad", "not a capture (offset 0)")
    engine.reports["cut"] = capture(capture="cut", error="ends in a block header (offset 99)")
    assert main(["analyze", "bad", "cut", "good.pcap", "--format", "jsonl"]) == 3
    said = capsys.readouterr()
    assert [json.loads(line)["capture"] for line in said.out.splitlines()] == ["good.pcap"]
    assert "mtlscope: bad: not a capture (offset 0)\n" in said.err
    assert "mtlscope: cut: ends in a block header (offset 99)\n" in said.err


def test_an_unreadable_capture_stands_in_the_json(engine, capsys):
    engine.reports["bad"] = CaptureError("bad", "not a capture")
    assert main(["analyze", "bad", "--format", "json"]) == 3
    assert json.loads(capsys.readouterr().out)["capture"]["error"] == "not a capture"


def test_a_folder_without_captures_is_an_error(engine, tmp_path, capsys):
    assert main(["analyze", str(tmp_path)]) == 3
    assert capsys.readouterr().err == f"mtlscope: {tmp_path}: no captures in this folder\n"


@pytest.mark.parametrize("command", ["analyze", "certificates"])
def test_what_is_no_file_in_a_folder_is_told_and_never_opened(command, tmp_path):
    os.mkfifo(tmp_path / "a.pcap")
    (tmp_path / "b.pcap").write_bytes((SAMPLES / "mutual-tls12.pcap").read_bytes())
    (tmp_path / "c.pcap").symlink_to("a.pcap")
    (tmp_path / "d.pcap").symlink_to("/dev/zero")
    done = run(command, tmp_path, "--format", "json", timeout=60)
    assert done.returncode == 3
    assert [line.removeprefix(f"mtlscope: {tmp_path}/") for line in done.stderr.splitlines()] == [
        "a.pcap: a pipe, no file",
        "c.pcap: a pipe, no file",
        "d.pcap: a device, no file",
    ]
    read = json.loads(done.stdout)
    assert read["capture"]["name"] == f"{tmp_path}/b.pcap" if command == "analyze" else len(read["certificates"]) == 3


# Where to


@pytest.mark.parametrize(
    ("arguments", "begins"),
    [
        ([], "a.pcap  pcap, 2,140 frames"),
        (["--format", "jsonl"], '{"schema_version":1,"capture":"a.pcap"'),
        (["-o", "OUT/x.csv"], "capture,transport,stream"),
        (["-o", "OUT/x.csv", "--format", "markdown"], "## `a.pcap`"),
        (["-o", "-", "--format", "zeek"], "#separator"),
    ],
)
def test_suffix_and_option_choose_the_format(engine, tmp_path, capsys, arguments, begins):
    assert main(["analyze", "a.pcap", *(word.replace("OUT", str(tmp_path)) for word in arguments)]) == 0
    files = list(tmp_path.iterdir())
    assert (files[0].read_text() if files else capsys.readouterr().out).startswith(begins)


def test_a_suffix_without_format_is_wrong_use(engine, capsys):
    assert main(["analyze", "a.pcap", "-o", "x.docx"]) == 2
    assert capsys.readouterr().err.startswith("mtlscope: x.docx: ")
    assert not engine.calls


@pytest.mark.parametrize("named", ["a.pcap", "../{0}/a.pcap", "."])
def test_a_capture_is_never_written_over(engine, tmp_path, monkeypatch, named):
    precious = tmp_path / "a.pcap"
    precious.write_bytes(b"precious")
    monkeypatch.chdir(tmp_path)
    assert main(["analyze", named.format(tmp_path.name), "-o", str(precious), "--format", "jsonl"]) == 2
    assert precious.read_bytes() == b"precious"


@pytest.mark.parametrize("command", ["analyze", "certificates", "graph", "diagram"])
def test_nor_by_another_name_that_it_has(command, tmp_path):
    precious = tmp_path / "a.pcap"
    precious.write_bytes((SAMPLES / "mutual-tls12.pcap").read_bytes())
    (tmp_path / "hard.json").hardlink_to(precious)
    (tmp_path / "soft.json").symlink_to("a.pcap")
    (tmp_path / "soft.pcap").symlink_to("a.pcap")
    form = ["--format", {"analyze": "json", "certificates": "json"}.get(command, "svg")]
    for named, output in (("a.pcap", "hard.json"), ("a.pcap", "soft.json"), ("soft.pcap", "hard.json")):
        done = run(command, named, "-o", output, *form, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (
            2,
            f"mtlscope: {output}: is a capture to read, not a place to write to\n",
        )
    with precious.open("rb") as stdin:
        assert run(command, "-", "-o", "hard.json", *form, cwd=tmp_path, stdin=stdin).returncode == 2
    assert precious.read_bytes() == (SAMPLES / "mutual-tls12.pcap").read_bytes()


def test_nor_appended_to(tmp_path):
    precious = tmp_path / "a.pcap"
    precious.write_bytes((SAMPLES / "mutual-tls12.pcap").read_bytes())
    with precious.open("ab") as out:
        done = subprocess.run(
            [sys.executable, "-m", "analyzer", "analyze", precious],
            stdout=out, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "mtlscope: stdout: is a capture to read, not a place to write to\n")
    assert precious.read_bytes() == (SAMPLES / "mutual-tls12.pcap").read_bytes()


def test_issues_reach_the_reader_once(engine, capsys):
    told = "a segment is missing (3 times, first in frame 12)"
    for name in ["table", "json", "markdown", "jsonl", "csv", "zeek"]:
        main(["analyze", "a.pcap", "--format", name])
        said = capsys.readouterr()
        holds = name in ("table", "json", "markdown")
        assert said.err == ("" if holds else f"mtlscope: a.pcap: {told}\n")
        assert ("a segment is missing" in said.out) is holds


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colors_are_for_terminals_that_want_them(engine, monkeypatch):
    def colored(**environment):
        monkeypatch.setattr(sys, "stdout", Terminal())
        for name in ("NO_COLOR", "TERM"):
            monkeypatch.setenv(name, environment.get(name, ""))
        main(["analyze", "a.pcap"])
        return "\x1b[" in sys.stdout.getvalue()

    assert colored()
    assert not colored(NO_COLOR="1")
    assert not colored(TERM="dumb")


def test_progress_is_for_terminals_and_long_reading(monkeypatch):
    with progress.progress("a.pcap") as advance:
        assert advance is None
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress.progress("a.pcap") as advance:
        advance(512, 1024)
    assert sys.stderr.getvalue() == ""
    monkeypatch.setattr(progress, "PATIENCE", 0)
    with progress.progress("\x1b]0;.pcap") as advance:
        advance(512, 1024)
        advance(1024, None)
    assert r"\x1b]0;.pcap" in sys.stderr.getvalue()


# How it ends


@pytest.mark.parametrize(("fail_on", "status"), [("never", 0), ("notice", 1), ("warning", 1), ("error", 1), (None, 0)])
def test_fail_on_a_severe_finding(engine, capsys, fail_on, status):
    engine.reports["a.pcap"] = capture(failed_handshake())
    assert main(["analyze", "a.pcap", *(["--fail-on", fail_on] if fail_on else [])]) == status


def test_fail_on_lets_lesser_findings_pass(engine, capsys):
    lesser = failed_handshake()
    lesser.findings = [finding for finding in lesser.findings if finding.severity == "notice"]
    engine.reports["a.pcap"] = capture(lesser)
    assert main(["analyze", "a.pcap", "--fail-on", "warning"]) == 0
    assert main(["analyze", "a.pcap", "--fail-on", "notice"]) == 1


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["analyze"], ["analyze", "--format", "x", "a"], ["--nonsense"], ["completion"], ["completion", "x"]],
)
def test_wrong_use_is_one_line_and_status_2(capsys, arguments):
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.err.startswith("mtlscope: ") and said.err.count("\n") == 1 and "--help" in said.err
    assert not said.out


@pytest.mark.parametrize("command", ["analyze", "certificates", "graph"])
@pytest.mark.parametrize("option", ["--trust", "--client-trust", "--crl", "--ct-logs", "--keylog", "--server-key"])
@pytest.mark.parametrize("content", [b"", b"garbage", b"\x30\x82", None], ids=["empty", "text", "der", "missing"])
def test_a_file_that_is_not_what_an_option_takes_is_wrong_use(command, option, content, tmp_path, capsys):
    given = tmp_path / "given"
    if content is not None:
        given.write_bytes(content)
    capture = str(SAMPLES / "mutual-tls12.pcap")
    output = ["--format", "dot"] if command == "graph" else []
    status = main([command, capture, capture.replace("12", "10"), option, str(given), *output])
    said = capsys.readouterr()
    if option == "--keylog" and content == b"":
        assert status == 0  # nothing has been logged yet
        return
    assert (status, said.err.count("\n")) == (2, 1)
    assert said.err.startswith(f"mtlscope: {given}: ") and "fault" not in said.err


TAKING_FILES = ["--trust", "--client-trust", "--crl", "--ct-logs", "--server-key", "--profile", "--policy", "--keylog"]


def test_no_key_log_may_be_said_by_the_empty_device():
    arguments = ["analyze", "--format", "jsonl", CAPTURE]
    assert run(*arguments, "--keylog", os.devnull).stdout == run(*arguments).stdout != ""


@pytest.mark.parametrize("option", TAKING_FILES)
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
def test_what_never_ends_is_not_read(option, device, tmp_path):
    done = run("check" if option == "--policy" else "analyze", CAPTURE, option, device, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"mtlscope: {device}: a device, no file\n")


@pytest.mark.parametrize("option", TAKING_FILES[:-1])
def test_only_so_much_is_read_of_a_file_that_an_option_names(option, tmp_path, capsys):
    given = tmp_path / "given"
    with given.open("wb") as file:
        file.truncate(optionfiles.MOST + 1)
    assert main(["check" if option == "--policy" else "analyze", CAPTURE, option, str(given)]) == 2
    assert capsys.readouterr().err == f"mtlscope: {given}: longer than 64 MiB\n"


@pytest.mark.parametrize("option", ["--trust", "--keylog"])
def test_a_pipe_is_read_until_it_ends(option, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    given = {"--trust": SAMPLES / "ca.pem", "--keylog": SAMPLES / "keys" / "mutual-tls13.keys"}
    content = given.pop(option)
    others = [each for pair in given.items() for each in pair]
    with subprocess.Popen(["sh", "-c", 'cat "$0" > "$1"', content, tmp_path / "pipe"]):
        done = run("analyze", SAMPLES / "mutual-tls13.pcap", "--format", "json", *others, option, tmp_path / "pipe")
    (handshake,) = json.loads(done.stdout)["handshakes"]
    assert (handshake["authentication_basis"], handshake["chain"]["server"]["status"]) == ("decrypted", "pass")


def test_wrong_use_writes_over_nothing(tmp_path, capsys):
    precious = tmp_path / "report.json"
    precious.write_text("precious")
    assert main(["analyze", str(SAMPLES / "mutual-tls12.pcap"), "--trust", str(precious), "-o", str(precious)]) == 2
    assert precious.read_text() == "precious"
    assert "no certificate in it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["analyze", ""], "CAPTURE..."),
        (["certificates", CAPTURE, ""], "CAPTURE..."),
        (["compare", CAPTURE, ""], "BAD"),
        (["diagram", ""], "[CAPTURE]"),
        (["batch", "", "-o", "d"], "SOURCE..."),
        (["query", "", "SELECT 1"], "DATASET"),
        (["analyze", CAPTURE, "--trust", "none", "--trust", ""], "--trust"),
        (["analyze", CAPTURE, "--profile="], "--profile"),
        (["check", CAPTURE, "--policy", ""], "--policy"),
        (["show", CAPTURE, "--server-name", ""], "--server-name"),
        (["graph", CAPTURE, "--output="], "-o' / '--output"),
    ],
)
def test_what_is_empty_is_wrong_use_and_named(arguments, named, tmp_path, monkeypatch, capsys):
    """The current folder was analyzed where a variable was not set."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pcap").write_bytes((SAMPLES / "mutual-tls12.pcap").read_bytes())
    assert main(arguments) == 2
    said = capsys.readouterr()
    wanted = f"mtlscope: invalid value for '{named}': it is empty (see mtlscope {arguments[0]} --help)\n"
    assert (said.out, said.err) == ("", wanted)


def test_a_folder_is_no_profile(tmp_path, capsys):
    assert main(["analyze", CAPTURE, "--profile", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"mtlscope: {tmp_path}: Is a directory\n"


def test_an_output_that_cannot_be_written_is_status_2(engine, tmp_path, capsys):
    assert main(["analyze", "a.pcap", "-o", str(tmp_path / "none" / "x.json")]) == 2
    assert capsys.readouterr().err.endswith("x.json: No such file or directory\n")


def test_a_fault_of_our_own_is_one_line_without_traceback(engine, capsys, monkeypatch):
    engine.reports["a.pcap"] = RuntimeError("broken\nin two")
    assert main(["analyze", "a.pcap"]) == 3
    said = capsys.readouterr().err
    assert "RuntimeError: broken" in said and said.count("\n") == 1 and "report" in said
    assert main(["analyze", "a.pcap", "b.pcap", "--format", "jsonl"]) == 3
    assert '"capture":"b.pcap"' in capsys.readouterr().out
    monkeypatch.setenv("MTLSCOPE_DEBUG", "1")
    with pytest.raises(RuntimeError):
        main(["analyze", "a.pcap"])


def test_interrupted(engine, capsys):
    engine.reports["a.pcap"] = KeyboardInterrupt()
    assert main(["analyze", "a.pcap"]) == 130
    assert capsys.readouterr().err == ""


def test_a_reader_that_leaves_is_no_error():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "analyzer", "--help"], stdout=gone, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (141, b"")


CLOSED = "mtlscope: stdout: Bad file descriptor\n"


def without(descriptors, *arguments):
    """Run with these descriptors closed."""
    code = f"import os, sys; os.closerange(*{descriptors}); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    return subprocess.run(
        [sys.executable, "-c", code, "-m", "analyzer", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["analyze", CAPTURE],
        ["certificates", CAPTURE],
        ["graph", CAPTURE, "--format", "svg"],
        ["show", CAPTURE],
        ["keys", CAPTURE],
        ["check", "--init"],
        ["diagram", CAPTURE],
        ["--help"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_closed_stdout_is_one_line_and_a_closed_stderr_is_nothing(arguments):
    done = without((1, 2), *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", CLOSED)
    done = without((2, 3), *arguments)
    assert done.returncode == 0 and done.stdout


def test_with_all_closed_a_file_is_written_all_the_same(tmp_path):
    assert without((0, 3), "analyze", CAPTURE, "-o", tmp_path / "report.json").returncode == 0
    assert json.loads((tmp_path / "report.json").read_text())["handshakes"]
    assert without((2, 3), "analyze", tmp_path / "none").returncode == 3
    assert without((0, 1), "query", tmp_path, "-").stderr == "mtlscope: there is no standard input\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize(
    "arguments",
    [
        ["analyze", CAPTURE, "--format", "json"],
        ["certificates", CAPTURE, "--format", "json"],
        ["graph", CAPTURE, "--format", "json"],
        ["diagram", CAPTURE, "--format", "svg"],
        ["compare", CAPTURE, CAPTURE, "--format", "json"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_full_disk_is_said_of_the_file_that_is_written(arguments, capsys):
    assert main([*arguments, "-o", "/dev/full"]) == 2
    assert capsys.readouterr().err == "mtlscope: /dev/full: No space left on device\n"


def test_what_the_process_lacks_is_said_of_no_file(monkeypatch, capsys):
    def lacking(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("analyzer.archive.plan.plan", lacking)
    assert main(["batch", CAPTURE, "-o", "memory://lacking", "--jobs", "0"]) == 2
    assert capsys.readouterr().err == "mtlscope: Too many open files\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_one_line_and_status_2():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "analyzer", "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (2, "mtlscope: stdout: No space left on device\n")


def test_errors_are_escaped(engine, capsys):
    engine.reports["\x1b[31m"] = CaptureError("\x1b[31m", "no\u202e")
    main(["analyze", "\x1b[31m"])
    assert capsys.readouterr().err == "mtlscope: \\x1b[31m: no\\u202e\n"


# With the engine

ODD = os.fsdecode(b"a\xff")
"""A name that is not UTF-8."""


@pytest.mark.parametrize("format_name", ["table", "json", "jsonl", "csv", "html", "markdown", "zeek"])
def test_names_that_are_not_utf_8_are_text_in_all_output(format_name, tmp_path):
    good, bad = tmp_path / f"{ODD}.pcap", tmp_path / f"{ODD}-bad.pcap"
    good.write_bytes((SAMPLES / "mutual-tls12.pcap").read_bytes())
    bad.write_bytes(b"no capture at all")
    trust = tmp_path / f"{ODD}.pem"
    trust.write_bytes((SAMPLES / "ca.pem").read_bytes())
    options = ["--trust", trust, "--server-name", ODD, "--format", format_name]
    done = run("analyze", good, bad, *options, cwd=tmp_path)
    assert done.returncode == 3
    assert f"mtlscope: {tmp_path}/a\\xff-bad.pcap: " in done.stderr
    assert "\\ud" not in done.stdout + done.stderr
    if format_name == "json":
        read = json.loads(done.stdout)["captures"]
        assert [each["capture"]["name"] for each in read] == [f"{tmp_path}/a\\xff.pcap", f"{tmp_path}/a\\xff-bad.pcap"]
        done.stdout.encode()
        assert "a\\xff.pem" in json.dumps(read[0]["handshakes"][0]["chain"]).replace("\\\\", "\\")


def test_samples_from_end_to_end():
    done = run("analyze", "mutual-tls12.pcap", "one-way-tls12.pcap", "--format", "jsonl", cwd=SAMPLES)
    assert (done.returncode, done.stderr) == (0, "")
    handshakes = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(h["capture"], h["authentication"], h["outcome"]) for h in handshakes] == [
        ("mutual-tls12.pcap", "mutual", "established"),
        ("one-way-tls12.pcap", "one-way", "established"),
    ]


def test_stdin_says_the_same_as_the_file():
    sample = SAMPLES / "mutual-tls12.pcap"
    with sample.open("rb") as file:
        piped = run("analyze", "-", "--format", "jsonl", stdin=file).stdout
    named = run("analyze", sample.name, "--format", "jsonl", cwd=SAMPLES).stdout
    assert piped and piped == named.replace(f'"capture":"{sample.name}"', '"capture":"-"')


@pytest.mark.parametrize("content", [b"", b"no capture at all" * 9, None], ids=["empty", "text", "missing"])
def test_what_is_no_capture_is_one_line_and_status_3(tmp_path, content):
    if content is not None:
        (tmp_path / "x.pcap").write_bytes(content)
    done = run("analyze", "x.pcap", "--format", "jsonl", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith("mtlscope: x.pcap: ") and done.stderr.count("\n") == 1 and "fault" not in done.stderr


# Help, completion, imports


def test_help_lists_every_command_with_its_docstring():
    said = run("--help")
    assert said.returncode == 0
    words = " ".join(said.stdout.split())
    for name in COMMANDS.names():
        assert f"{name} {COMMANDS.documentation(name).partition(chr(10))[0]}" in words
        assert run(name, "--help").stdout.startswith(f"Usage: mtlscope {name}")


def test_version():
    assert run("--version").stdout == f"mtlscope {analyzer.__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_names_the_command(shell, capsys):
    assert main(["completion", shell]) == 0
    assert "_MTLSCOPE_COMPLETE" in capsys.readouterr().out


def test_completion_knows_the_formats():
    asked = {"_MTLSCOPE_COMPLETE": "bash_complete", "COMP_WORDS": "mtlscope analyze --format j", "COMP_CWORD": "3"}
    assert run(env=asked).stdout.split() == ["plain,json", "plain,jsonl"]


def imported_by(code):
    source = f"import sys; {code}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(subprocess.check_output([sys.executable, "-c", source], text=True).split())


HEAVY = {"numpy", "scapy", "rich", "cryptography", "matplotlib", "networkx"}


def test_import_analyzer_imports_nothing_heavy():
    assert not imported_by("import analyzer") & (HEAVY | {"click"})


def test_help_imports_nothing_heavy():
    assert not imported_by("import analyzer.cli; analyzer.cli.main(['analyze', '--help'])") & HEAVY


def test_a_command_is_imported_only_when_called():
    code = (
        "import analyzer.cli; analyzer.cli.main(['--help']); assert 'analyzer.cli.commands.analyze' not in sys.modules"
    )
    imported_by(code)


def test_public_names():
    assert set(analyzer.__all__) == PUBLIC_NAMES
    assert set(dir(analyzer)) >= PUBLIC_NAMES
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        analyzer.nonsense  # noqa: B018
