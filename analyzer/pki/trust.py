"""Whom does the verifier trust without proof (RFC 5280, section 6.1.1 d)?"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property

from analyzer.pki import times
from analyzer.pki.certificate import Certificate
from analyzer.pki.names import Name

_DATE = re.compile(r"(\d{4})[-.](\d\d?)[-.](\d\d?)", re.ASCII)


class TrustStore:
    """Trust anchors that have a name and a date, so that a verdict can say what it was measured by."""

    def __init__(
        self, name: str, anchors: Iterable[Certificate] = (), *, date: str | None = None, public: bool = False
    ) -> None:
        self.name = name
        """Such as `mozilla`, `system`, `none`, or a file's name."""
        self.anchors = tuple({anchor.der: anchor for anchor in anchors}.values())
        """Each once, in the order given."""
        self.date = date
        """When it was put together, by ISO 8601 or as its publisher numbers it; None where unknown."""
        self.public = public
        """Its authorities are bound to the rules of the CA/Browser Forum."""
        self._parts: tuple[TrustStore, ...] = (self,)

    @classmethod
    def union(cls, stores: Iterable["TrustStore"]) -> "TrustStore":
        """Trust what any of the stores trusts; a single store stays itself, none at all is `NO_STORE`."""
        parts = tuple(stores)
        if len(parts) <= 1:
            return parts[0] if parts else NO_STORE
        made = cls(" + ".join(part.name for part in parts), (anchor for part in parts for anchor in part.anchors))
        made._parts = parts
        return made

    @property
    def known(self) -> bool:
        """Whether there is any anchor; without one, whether an issuer is trusted cannot be told."""
        return bool(self.anchors)

    @cached_property
    def time(self) -> int | None:
        """Its date in nanoseconds since 1970-01-01 UTC; None where it has none, or none that can be read."""
        found = _DATE.match(self.date or "")
        if found is not None:
            year, month, day = map(int, found.groups())
            with suppress(ValueError):
                return times.from_datetime(datetime(year, month, day, tzinfo=UTC))
        return None

    @cached_property
    def _by_subject(self) -> dict[Name, list[Certificate]]:
        found: dict[Name, list[Certificate]] = {}
        for anchor in self.anchors:
            found.setdefault(anchor.subject, []).append(anchor)
        return found

    def issuers(self, name: Name) -> list[Certificate]:
        """Anchors of that subject."""
        return self._by_subject.get(name, [])

    def part_of(self, anchor: Certificate) -> "TrustStore | None":
        """The store that the certificate is an anchor of: of a union, the first part; None where it is not."""
        return next((part for part in self._parts if anchor.der in part._encoded), None)

    @cached_property
    def _encoded(self) -> frozenset[bytes]:
        return frozenset(anchor.der for anchor in self.anchors)

    def __contains__(self, certificate: Certificate) -> bool:
        return self.part_of(certificate) is not None

    def __iter__(self) -> Iterator[Certificate]:
        return iter(self.anchors)

    def __len__(self) -> int:
        return len(self.anchors)

    def __str__(self) -> str:
        date = f" of {self.date}" if self.date else ""
        anchors = "1 anchor" if len(self) == 1 else f"{len(self)} anchors"
        return f"{self.name}{date} ({anchors})" if self.known else self.name


NO_STORE = TrustStore("none")
"""Nobody says whom the verifier trusts."""
