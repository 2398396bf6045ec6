"""How is a plan carried out, whatever happens to its workers?

A few tasks are under way at a time, the largest first, small ones in groups. Where a worker dies, its tasks are tried
again, one by one; the last time alone, so that no other task can be to blame. What kills its worker even then is put
in quarantine: its row says so, and it is not tried again. Of an archive that is the one capture it was at.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass, field, replace
from typing import Any

from analyzer.archive.dataset import Dataset
from analyzer.archive.engines import Engine
from analyzer.archive.plan import Plan
from analyzer.archive.rows import Rows
from analyzer.archive.task import Done, Task, perform
from analyzer.capture.density import is_dense
from analyzer.errors import AnalyzerError
from analyzer.results import CaptureReport

TRIES = 3
"""How often a task may kill its worker; the last time it is alone."""
MAX_QUARANTINED = 10
"""Captures of one archive that are put in quarantine before all of it is."""
SMALL = 1 << 20
"""Bytes of a task below which it goes with others to a worker."""
GROUP = 32
"""How many such tasks go together at most."""
LARGE = 32 << 20
"""Bytes of a capture from which on several processes may do it together, each of which has to start."""
_PULSE = 0.5


@dataclass(slots=True)
class Progress:
    """How far a run has come."""

    tasks: int
    """All of the plan."""
    size: int
    """Bytes of these."""
    finished: int = 0
    """Tasks that are done."""
    finished_size: int = 0
    """Bytes of these."""
    captures: int = 0
    """Captures that this run has analyzed."""
    failed: int = 0
    """Inputs that could not be read, also those of earlier runs."""
    deaths: int = 0
    """Workers that died."""
    authentication: Counter[str] = field(default_factory=Counter)
    """Handshakes of this run by verdict."""
    outcome: Counter[str] = field(default_factory=Counter)
    """Handshakes of this run by outcome."""


Watch = Callable[[Progress, list[Done]], None]
"""Told of every change, and of what was done since."""


def run(plan: Plan, dataset: Dataset, options: Mapping[str, Any], engine: Engine, watch: Watch) -> Progress:
    """Do all tasks of a plan; what the engine does not finish, another run will.

    Raises UsageError where an option is wrong, OSError where the dataset cannot be written, AnalyzerError where the
    cluster is gone.
    """
    runner = _Run(plan, dataset, options, engine, watch)
    runner.run()
    return runner.progress


class _Run:
    def __init__(self, plan: Plan, dataset: Dataset, options: Mapping[str, Any], engine: Engine, watch: Watch) -> None:
        self.progress = Progress(len(plan.tasks), sum(task.size for task in plan.tasks))
        self._plan = plan
        self._dataset = dataset
        self._options = dict(options)
        self._engine = engine
        self._watch = watch
        self._waiting = deque(plan.tasks)
        self._alone: deque[Task] = deque()
        self._flying: dict[Future[list[Done]], list[Task]] = {}
        self._deaths: Counter[str] = Counter()
        self._quarantined: Counter[str] = Counter()

    def run(self) -> None:
        for capture_id in self._plan.stale:
            self._dataset.remove(capture_id)
        self._tell(self._plan.done, new=False)
        while self._waiting or self._alone or self._flying:
            self._launch()
            done, _ = wait(self._flying, timeout=_PULSE, return_when=FIRST_COMPLETED)
            for future in done:
                self._land(future, self._flying.pop(future))
            if not done:
                self._tell([])

    def _launch(self) -> None:
        while self._waiting and self._busy() + self._shares(self._waiting[0]) <= self._engine.window:
            self._start(self._group())
        if self._alone and not self._flying:
            self._start([self._alone.popleft()])

    def _busy(self) -> int:
        """How many processes have something to do."""
        return sum(tasks[0].shares for tasks in self._flying.values())

    def _shares(self, task: Task) -> int:
        """How many processes should do a task together: as many as its part of all the bytes, so that it does not go on
        alone when everything else is done; but one where there is little to share, or another has died of it."""
        opens = any(self._options.get(name) for name in ("keylog", "server_key"))  # one connection by another
        if not self._engine.divides or opens or task.size < LARGE or not task.is_file or self._deaths[task.capture_id]:
            return 1
        if not any(is_dense(file.place) for file in task.files):
            return 1
        return max(1, min(self._engine.window, round(task.size * self._engine.window / self.progress.size)))

    def _group(self) -> list[Task]:
        """The next tasks: small ones together, for the way to a worker costs as much as they do.

        Towards the end they are fewer, so that no worker has much left when the others are done.
        """
        first = self._waiting.popleft()
        group = [replace(first, shares=self._shares(first))]
        most = min(GROUP, 1 + len(self._waiting) // (2 * self._engine.window))
        if self._is_easy(group[0]):
            while self._waiting and len(group) < most and self._is_easy(self._waiting[0]):
                group.append(self._waiting.popleft())
        return group

    def _is_easy(self, task: Task) -> bool:
        return task.size < SMALL and not task.is_archive and not self._deaths[task.capture_id]

    def _start(self, tasks: list[Task]) -> None:
        self._flying[self._engine.submit(perform, tasks, self._dataset.place, self._options)] = tasks

    def _land(self, future: "Future[list[Done]]", tasks: list[Task]) -> None:
        try:
            error = future.exception()
        except CancelledError:
            raise AnalyzerError("the cluster is gone; what is done is kept, and the same command goes on") from None
        if error is None:
            self._finish(tasks, future.result())
        elif self._engine.is_death(error):
            self.progress.deaths += 1
            for task in tasks:
                self._bury(task)
        else:
            raise error

    def _finish(self, tasks: list[Task], done: list[Done]) -> None:
        for task in tasks:
            for capture_id in task.stale:
                self._dataset.remove(capture_id)
            self.progress.finished_size += task.size
        self.progress.finished += len(tasks)
        self._tell(done)

    def _bury(self, task: Task) -> None:
        """A worker died of the task, or with it."""
        self._deaths[task.capture_id] += 1
        if self._deaths[task.capture_id] < TRIES - 1:
            self._waiting.append(task)
        elif self._deaths[task.capture_id] < TRIES:
            self._alone.append(task)
        else:
            self._quarantine(task)

    def _quarantine(self, task: Task) -> None:
        noted = self._dataset.noted(task.capture_id) if task.is_archive else None
        self._quarantined[task.capture_id] += 1
        if noted is None or self._quarantined[task.capture_id] > MAX_QUARANTINED:
            self._finish([task], [self._condemn(task, task.capture_id, task.name)])
            return
        capture_id, _, name = noted.partition(" ")
        self._tell([self._condemn(task, capture_id, name)])
        # The archive goes on behind it; once more from two tries, for there may be more of the kind.
        self._deaths[task.capture_id] = 0
        self._waiting.append(task)

    def _condemn(self, task: Task, capture_id: str, name: str) -> Done:
        why = f"its analysis killed {TRIES} workers: in quarantine"
        member = capture_id != task.capture_id
        about = {
            "source": task.source,
            "modified": task.modified,
            "archive_id": task.archive_id or (task.capture_id if member else None),
            "size": None if member else task.size,
        }
        report = CaptureReport(capture=name, error=why)
        with self._dataset.part(capture_id) as part:
            part.extend(Rows(capture_id).end(report, about))
        return Done(capture_id, name, why)

    def _tell(self, done: list[Done], *, new: bool = True) -> None:
        progress = self.progress
        for each in done:
            progress.captures += new and each.is_capture and each.error is None
            progress.failed += each.error is not None
            for (authentication, outcome), number in each.verdicts.items():
                progress.authentication[authentication] += number
                progress.outcome[outcome] += number
        self._watch(progress, done)
