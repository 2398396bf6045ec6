"""A batch ends with the same rows whoever does the work, and whoever is killed meanwhile."""

import io
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("duckdb")
from archived import CAPTURES, Deadly, Half, batch, captures, contents, distinct, short
from shared import crowd

from analyzer.archive import engines, run

NAMES = ["one-way-tls12", "mutual-tls12", "cut", "resumption-psk", "connection-refused"]
SOURCE = [CAPTURES / f"{name}.pcap" for name in NAMES]


def command(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "analyzer", "batch", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def finish(*arguments):
    with command(*arguments) as process:
        out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def done(place):
    return len(list(place.glob("captures/*.parquet")))


def killed(moments, place, *arguments):
    """Start a batch and kill it some captures and a moment later, with its workers left to themselves."""
    enough = done(place) + moments.randrange(6)
    with command(*arguments, "-o", place) as process:
        while process.poll() is None and done(place) < enough:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.1))
        process.kill()
        process.communicate()


@pytest.mark.parametrize("size", [2_000, 10_000])
@pytest.mark.parametrize("jobs", [0, 2])
def test_a_full_disk_is_said_of_the_dataset_and_leaves_nothing_half_written(size, jobs, tmp_path):
    full = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))  # noqa: E731
    with command(*SOURCE, "-o", tmp_path / "d", "--jobs", str(jobs), preexec_fn=full) as process:
        _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (2, f"mtlscope: {tmp_path}/d: File too large\n")
    assert not list((tmp_path / "d" / "_temporary").iterdir())


def test_local_processes_give_the_rows_of_the_serial_engine(tmp_path):
    batch(tmp_path / "serial", *SOURCE)
    batch(tmp_path / "processes", *SOURCE, engine=engines.Processes(2))
    assert contents(tmp_path / "processes") == contents(tmp_path / "serial")


def test_processes_that_share_one_capture_write_the_same_files(tmp_path, monkeypatch):
    (tmp_path / "one.pcap").write_bytes(crowd(sorted(CAPTURES.glob("*-tls1[23].pcap")), apart=10**6))
    batch(tmp_path / "serial", tmp_path / "one.pcap")
    monkeypatch.setattr(run, "LARGE", 1)
    monkeypatch.setattr(run, "is_dense", lambda file: True)
    _, progress, _ = batch(tmp_path / "shared", tmp_path / "one.pcap", engine=engines.Processes(3))
    assert sum(progress.authentication.values()) > 10
    written = [
        {file.relative_to(place): file.read_bytes() for file in place.rglob("*.parquet")}
        for place in (tmp_path / "serial", tmp_path / "shared")
    ]
    assert written[0] == written[1]


@pytest.mark.parametrize(("death", "deaths"), [("exit", 1), ("exception", 0)])
def test_a_process_that_does_not_finish_its_share(tmp_path, monkeypatch, death, deaths):
    """The capture is done by one alone: what failed there fails again, unless it came of the sharing."""
    source = CAPTURES / "mutual-tls12.pcap"
    batch(tmp_path / "serial", source)
    monkeypatch.setattr(run, "LARGE", 1)
    monkeypatch.setattr(run, "is_dense", lambda file: True)
    monkeypatch.setenv("MTLSCOPE_TEST_SHARE", death)
    _, progress, _ = batch(tmp_path / "shared", source, engine=Half(2))
    assert progress.deaths == deaths
    assert contents(tmp_path / "shared") == contents(tmp_path / "serial")


def test_secrets_are_for_one_process(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "LARGE", 1)
    monkeypatch.setattr(run, "is_dense", lambda file: True)
    source, keylog = CAPTURES / "resumption-session-id.pcap", str(CAPTURES / "keys" / "resumption-session-id.keys")
    embedded = CAPTURES / "embedded-secrets.pcapng"
    for name, engine in (("serial", engines.Serial()), ("shared", engines.Processes(2))):
        batch(tmp_path / name, source, embedded, engine=engine, keylog=[keylog])
        batch(tmp_path / f"{name}-embedded", embedded, engine=type(engine)(*[2][: name == "shared"]))
    assert contents(tmp_path / "shared") == contents(tmp_path / "serial")
    assert contents(tmp_path / "shared-embedded") == contents(tmp_path / "serial-embedded")


@pytest.fixture
def cluster():
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**options, silence_logs=50) as made:
        yield made


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_gives_them_too_also_where_a_worker_is_killed(tmp_path, cluster):
    source = distinct(tmp_path / "in", 25)
    batch(tmp_path / "serial", source)
    pids = [worker.pid for worker in cluster.workers.values()]
    dask = engines.Dask(cluster.scheduler_address)

    class Murderous:
        """Dask, with a worker that is killed while it works."""

        divides = False
        window = property(lambda self: dask.window)
        is_death, close = staticmethod(dask.is_death), staticmethod(dask.close)
        submitted = 0

        def submit(self, *args):
            self.submitted += 1
            if self.submitted == 8:
                os.kill(pids[0], signal.SIGKILL)
            return dask.submit(*args)

    batch(tmp_path / "dask", source, engine=Murderous())
    assert contents(tmp_path / "dask") == contents(tmp_path / "serial")


def kill_at_random(tmp_path, times, count):
    source = distinct(tmp_path / "in", count)
    assert finish(source, "-o", tmp_path / "calm")[0] == 0
    moments, stormy = random.Random(8), tmp_path / "stormy"
    for _ in range(times):
        killed(moments, stormy, source, "--jobs", 2)
    assert 0 < done(stormy) - 1 < count
    status, out, err = finish(source, "-o", stormy, "--jobs", 2)
    assert status == 0, err
    assert " done before" in out
    assert contents(stormy) == contents(tmp_path / "calm")


def test_a_batch_that_is_killed_goes_on(tmp_path):
    kill_at_random(tmp_path, 3, 40)


@pytest.mark.slow
def test_a_batch_that_is_killed_twenty_times_goes_on(tmp_path):
    kill_at_random(tmp_path, 20, 120)


@pytest.mark.slow
def test_a_cluster_of_separate_programs_does_it_too_and_may_lose_one(tmp_path):
    pytest.importorskip("distributed")
    source, file = distinct(tmp_path / "in", 120), tmp_path / "scheduler.json"
    assert finish(source, "-o", tmp_path / "calm")[0] == 0
    shared = ["--scheduler-file", str(file), "--no-dashboard"]
    program = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--host", "127.0.0.1", *shared]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny", *shared]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    running = [subprocess.Popen(program, **quiet)]
    try:
        while not file.exists():
            time.sleep(0.1)
        running += [subprocess.Popen(worker, **quiet) for _ in range(2)]
        with command(source, "-o", tmp_path / "d", "--cluster", file) as process:
            while len(list(tmp_path.glob("d/captures/*.parquet"))) < 20:
                assert process.poll() is None
                time.sleep(0.05)
            running[1].kill()
            _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    finally:
        for each in running:
            each.kill()
            each.wait()
    assert contents(tmp_path / "d") == contents(tmp_path / "calm")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the workers under /proc")
def test_workers_do_not_outlive_the_batch_that_was_killed(tmp_path):
    source = distinct(tmp_path / "in", 60)
    with command(source, "-o", tmp_path / "d", "--jobs", 2) as process:
        workers = []
        while len(workers) < 3 and process.poll() is None:  # two, and multiprocessing's resource tracker
            workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            time.sleep(0.02)
        time.sleep(0.5)
        process.kill()
        process.communicate()
    deadline = time.monotonic() + 10
    while any(running(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in workers if running(pid)]


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_control_c_keeps_what_is_done_and_says_how_to_go_on(tmp_path):
    source = distinct(tmp_path / "in", 60)
    with command(source, "-o", tmp_path / "d", "--jobs", 2) as process:
        while not list(tmp_path.glob("d/captures/*.parquet"))[1:]:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == "mtlscope: interrupted; what is done is kept, and the same command goes on\n"
    status, out, _ = finish(source, "-o", tmp_path / "d")
    assert status == 0 and " done before" in out
    assert len(captures(tmp_path / "d")) == 60


def test_two_batches_at_once_count_nothing_twice(tmp_path):
    source = distinct(tmp_path / "in", 25)
    assert finish(source, "-o", tmp_path / "calm")[0] == 0
    words = [source, "-o", tmp_path / "d", "--jobs", 1]
    with command(*words) as one, command(*words) as two:
        one.communicate(timeout=120)
        two.communicate(timeout=120)
    assert (one.returncode, two.returncode) == (0, 0)
    assert contents(tmp_path / "d") == contents(tmp_path / "calm")


# Captures that kill their worker


def test_a_capture_that_kills_workers_is_put_in_quarantine_and_named(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for path in SOURCE:
        shutil.copyfile(path, source / path.name)
    shutil.copyfile(CAPTURES / "mutual-tls13.pcap", source / "poison.pcap")
    _, progress, told = batch(tmp_path / "d", source, engine=Deadly(2))
    assert [(short(each.name), each.error) for each in told if each.error] == [
        ("poison.pcap", "its analysis killed 3 workers: in quarantine")
    ]
    assert progress.deaths == 3
    assert len(captures(tmp_path / "d")) == 6
    planned, _, told = batch(tmp_path / "d", source)
    assert not planned.tasks and [each.error for each in told if each.error]


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_of_an_archive_only_the_capture_that_kills_is_put_in_quarantine(kind, tmp_path):
    archive = tmp_path / f"e.{kind}"
    names = [path.name for path in SOURCE]
    names[1], names[3] = "poison-1.pcap", "poison-2.pcap"
    if kind == "tar":
        with tarfile.open(archive, "w") as out:
            for name, path in zip(names, SOURCE, strict=True):
                info = tarfile.TarInfo(name)
                info.size = path.stat().st_size
                out.addfile(info, io.BytesIO(path.read_bytes()))
    else:
        with zipfile.ZipFile(archive, "w") as out:
            for name, path in zip(names, SOURCE, strict=True):
                out.write(path, name)
    batch(tmp_path / "d", archive, engine=Deadly(1))
    errors = {short(name): bool(error) for name, error in captures(tmp_path / "d").items()}
    assert errors == {f"e.{kind}": False} | {name: "poison" in name for name in names}


def test_a_fault_of_ours_is_the_row_of_its_capture_alone(tmp_path, monkeypatch):
    from analyzer.archive import task

    def faulty(source, *, name, **options):
        if "cut" in name:
            raise ZeroDivisionError("oops")
        return analyze(source, name=name, **options)

    analyze = task.analyze_live
    monkeypatch.setattr(task, "analyze_live", faulty)
    batch(tmp_path / "d", *SOURCE)
    errors = [error for error in captures(tmp_path / "d").values() if error]
    assert errors == ["this is a fault of mtlscope, please report it: ZeroDivisionError: oops"]


# The command


def test_the_command_ends_with_what_became_of_the_batch(tmp_path):
    status, out, err = finish(SOURCE[0], tmp_path / "nowhere.pcap", "-o", tmp_path / "d", "--jobs", 0)
    assert status == 3
    assert err == f"mtlscope: {tmp_path}/nowhere.pcap: No such file or directory\n"
    assert out.startswith("1 capture analyzed in ") and out.endswith("1 handshake: 1 one-way; 1 established\n")
    status, out, err = finish(SOURCE[0], "-o", tmp_path / "d", "--jobs", 0)
    assert (status, err) == (0, "") and out.startswith("0 captures analyzed") and ", 1 done before" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--jobs", "1", "--cluster", "x"], "--jobs is for local processes"),
        (["--redact"], "a dataset holds what was seen"),
        (["--trust", "nowhere"], "nowhere"),
        (["--at", "noon"], "noon"),
        (["--cluster", "tcp://127.0.0.1:9"], "no scheduler answers"),
    ],
)
def test_wrong_use_is_told_before_anything_is_done(arguments, says, tmp_path, monkeypatch):
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "1s")
    status, out, err = finish(SOURCE[0], "-o", tmp_path / "d", *arguments)
    assert (status, out) == (2, "") and says in err and err.count("\n") == 1
    assert not list(tmp_path.glob("d/captures/*.parquet"))[1:]


def test_without_the_extra_the_command_says_how_to_get_it(tmp_path):
    code = "import sys; sys.modules['duckdb'] = None; from analyzer.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["batch", str(SOURCE[0]), "-o", str(tmp_path / "d")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    needed = "pip install 'mtlscope[archive]', in a checkout scripts/setup archive"
    assert (done.returncode, done.stderr) == (2, f"mtlscope: archives need duckdb: {needed}\n")
