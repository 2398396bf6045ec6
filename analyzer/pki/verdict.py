"""Does one side's chain hold, and if not, why?"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Generic, TypeVar

from analyzer.pki.certificate import Certificate
from analyzer.pki.context import Context, Exchange, Result, Role, Settings
from analyzer.pki.path import Path, Pool, Search
from analyzer.pki.revocation import RevocationList
from analyzer.pki.signature import Verification
from analyzer.pki.times import Moment
from analyzer.pki.trust import NO_STORE, TrustStore
from analyzer.plugins import Registry
from analyzer.results import ChainReport, CheckReport, Status

CHECKS = Registry("analyzer.pki.checks")
"""All checks, by name."""

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")

_UNDETERMINED_BY = ("issuer-known", "issuer-signature")
_KEPT_BYTES = 16 << 20
_INTERVALS = 8  # verdicts of one chain, for different times


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """What is known of one side's certificates at one time; shared between handshakes, so not to be changed."""

    report: ChainReport
    """The public view."""
    path: Path | None
    """The path that was judged; None where no certificate was sent."""


@dataclass(frozen=True, slots=True)
class _Interval:
    """A verdict and the times for which it holds: from `since` until just before `until`."""

    since: float
    until: float
    pool: int | None
    """Version of the pool that the verdict depends on; None where it does not."""
    verdict: ChainVerdict


class Validator:
    """Judges chains, each as if it were alone; what was computed once is kept, within bounds."""

    def __init__(
        self,
        trust: TrustStore,
        client_trust: TrustStore = NO_STORE,
        *,
        assumed: bool = False,
        crls: Iterable[RevocationList] = (),
        settings: Settings | None = None,
    ) -> None:
        """`trust` is what clients trust, `client_trust` is whose client certificates servers trust.

        `assumed`: nobody said what clients trust, `trust` stands in for it.
        """
        self._trust: dict[Role, TrustStore] = {"server": trust, "client": client_trust}
        self._assumed: dict[Role, bool] = {"server": assumed, "client": False}
        self._crls = tuple(crls)
        self._settings = settings or Settings()
        self._checks = _checks()
        self._pool = Pool()
        self._certificates: _Cache[bytes, Certificate] = _Cache(lambda encoded: len(encoded) + 8192)
        self._links: _Cache[tuple[str, str], Verification] = _Cache(lambda _: 512)
        self._verdicts: _Cache[tuple[Exchange, tuple[str, ...]], list[_Interval]] = _Cache(_size)

    def certificate(self, encoded: bytes) -> Certificate:
        """The view of a certificate; one that was seen lately is not parsed again."""
        found = self._certificates.get(encoded)
        return found or self._certificates.put(encoded, Certificate(encoded))

    def knows(self, issuer: bytes) -> bool:
        """Whether it has learned this certificate."""
        return issuer in self._pool

    def learn(self, issuer: bytes, where: str) -> None:
        """Remember an issuer that a handshake sent, to say so where another handshake lacks it.

        `where` names the handshake, such as `tcp.stream 5`. Who wants verdicts that do not depend on the order of
        the handshakes lets it learn all issuers before the first verdict.
        """
        self._pool.learn(self.certificate(issuer), where)

    def validate(self, chain: Sequence[bytes], exchange: Exchange, *, time: int) -> ChainVerdict:
        """Judge the certificates that a side sent, DER, leaf first.

        `exchange` is what else the handshake said; `time`, nanoseconds since 1970-01-01 UTC, is when.
        """
        if not chain:
            return ChainVerdict(ChainReport("undetermined", None, []), None)
        sent = [self.certificate(encoded) for encoded in chain]
        key = exchange, tuple([one.sha256 for one in sent])
        known = self._verdicts.get(key) or []
        for interval in known:
            if interval.since <= time < interval.until and interval.pool in (None, self._pool.version):
                return interval.verdict
        moment = Moment(time)
        search = Search(sent, self._trust[exchange.role], self._pool, self._verify)
        verdict = _best(self._judge(path, sent, exchange, moment) for path in search.paths())
        pool = self._pool.version if search.used_pool else None
        still = [one for one in known if one.pool in (None, self._pool.version)]
        self._verdicts.put(key, [*still, _Interval(moment.since, moment.until, pool, verdict)][-_INTERVALS:])
        return verdict

    def _judge(self, path: Path, sent: list[Certificate], exchange: Exchange, moment: Moment) -> ChainVerdict:
        """Run all checks over one path."""
        context = Context(
            exchange=exchange,
            path=path,
            sent=sent,
            moment=moment,
            store=self._trust[exchange.role],
            assumed=self._assumed[exchange.role],
            crls=self._crls,
            settings=self._settings,
        )
        reports: list[CheckReport] = []
        status: Status = "pass"
        for check in self._checks:
            for one in check.results(context):
                reports.append(check.report(one))
                if one.status == "fail" and exchange.role in check.decides:
                    status = "fail"
                elif one.status == "undetermined" and check.name in _UNDETERMINED_BY and status == "pass":
                    status = "undetermined"
        anchor = None if path.anchor is None else path.anchor.subject.text
        return ChainVerdict(ChainReport(status, anchor, reports), path)

    def _verify(self, issued: Certificate, issuer: Certificate) -> Verification:
        key = issued.sha256, issuer.sha256
        found = self._links.get(key)
        return found or self._links.put(key, issued.signed_by(issuer))


class Check:
    """A module of `analyzer.pki.checks`, as that package describes it."""

    def __init__(self, name: str) -> None:
        module = CHECKS.load(name)
        self.name = name
        """Its name in reports."""
        self.decides: tuple[Role, ...] = module.DECIDES
        """The roles for which a failure fails the chain."""
        self._citation: str = module.CITATION
        self._check: Callable[[Context], Iterator[Result]] = module.check

    def results(self, context: Context) -> list[Result]:
        """What it finds; that it passed, where it finds nothing."""
        return list(self._check(context)) or [Result("pass")]

    def report(self, result: Result) -> CheckReport:
        """The public view of a result."""
        certificate = None if result.certificate is None else result.certificate.sha256
        return CheckReport(self.name, result.status, certificate, result.expected, result.got, self._citation)


@cache
def _checks() -> tuple[Check, ...]:
    return tuple(Check(name) for name in CHECKS.names())


class _Cache(Generic[_K, _V]):
    """Keeps what was used last, as far as the cost of the keys allows."""

    def __init__(self, cost: Callable[[_K], int]) -> None:
        self._cost = cost
        self._kept: OrderedDict[_K, _V] = OrderedDict()
        self._left = _KEPT_BYTES

    def get(self, key: _K) -> _V | None:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: _K, value: _V) -> _V:
        if key not in self._kept:
            self._left -= self._cost(key)
        self._kept[key] = value
        while self._left < 0:
            forgotten, _ = self._kept.popitem(last=False)
            self._left += self._cost(forgotten)
        return value


def _best(verdicts: Iterable[ChainVerdict]) -> ChainVerdict:
    """The first that passes, or else the one with the fewest failures."""
    best, fewest = None, 0
    for verdict in verdicts:
        failures = sum(report.status == "fail" for report in verdict.report.checks)
        if best is None or failures < fewest:
            best, fewest = verdict, failures
        if verdict.report.status == "pass":
            return verdict
    assert best is not None, "a search yields a path"
    return best


def _size(key: tuple[Exchange, tuple[str, ...]]) -> int:
    """Roughly the bytes that a verdict and its key take."""
    exchange, fingerprints = key
    parts = (*(exchange.authorities or ()), exchange.staple or b"", exchange.timestamps or b"")
    return 16384 + 128 * len(fingerprints) + sum(len(part) + 64 for part in parts)
