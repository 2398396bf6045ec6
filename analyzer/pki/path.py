"""Which certificates lead from the one that was sent first to a trust anchor (RFC 4158, RFC 5280, section 6.1)?

A hostile peer may send hundreds of certificates that all seem to have issued each other, so the search is bounded
by the number of signatures that it checks, not by the number of ways through.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from analyzer.pki.certificate import Certificate
from analyzer.pki.names import Name
from analyzer.pki.signature import Verification
from analyzer.pki.trust import TrustStore

Fault = Literal["self-signed", "issuer-not-sent", "issuer-seen-elsewhere", "issuer-unknown", "search-given-up"]
"""Why no anchor is reached.

- self-signed: the first certificate vouches for itself;
- issuer-not-sent: its issuer was not sent, is no anchor, and is nowhere in the capture;
- issuer-seen-elsewhere: a missing issuer was sent in another handshake, and leads to an anchor;
- issuer-unknown: the chain is there, but its last issuer is no anchor;
- search-given-up: too many certificates claim to have issued each other.
"""

Verify = Callable[[Certificate, Certificate], Verification]
"""Checks a certificate's signature with its issuer's key."""


class Pool:
    """Issuers that the capture holds anywhere, with the place where each was first sent."""

    def __init__(self, limit: int = 16 << 20) -> None:
        """Past `limit` bytes of DER, what comes is not learned."""
        self.version = 0
        """Grows whenever what is known grows."""
        self._left = limit
        self._by_subject: dict[Name, list[Certificate]] = {}
        self._where: dict[bytes, str] = {}

    def learn(self, certificate: Certificate, where: str) -> None:
        """Remember a certificate that may have issued others, first sent in `where`."""
        if certificate.der not in self._where and self._left > 0:
            self._left -= len(certificate.der)
            self._where[certificate.der] = where
            self._by_subject.setdefault(certificate.subject, []).append(certificate)
            self.version += 1

    def __contains__(self, encoded: object) -> bool:
        return encoded in self._where

    def issuers(self, name: Name) -> list[Certificate]:
        """Certificates of that subject."""
        return self._by_subject.get(name, [])

    def where(self, certificate: Certificate) -> str | None:
        """Where it was first sent; None where it was not learned."""
        return self._where.get(certificate.der)


@dataclass(frozen=True, slots=True)
class Path:
    """A way from the leaf towards an anchor."""

    certificates: tuple[Certificate, ...]
    """Leaf first; the anchor, where one is reached, last."""
    anchor: Certificate | None
    """None where none is reached."""
    store: TrustStore | None
    """The store that the anchor is in."""
    links: tuple[Verification, ...]
    """Whether each certificate's signature is by the key of the next one."""
    fault: Fault | None = None
    """Why no anchor is reached; None where one is."""
    explanation: str | None = None
    """The first missing or wrong link, in words; None where nothing is wrong."""

    @property
    def leaf(self) -> Certificate:
        """The certificate that was sent first, whose key is used."""
        return self.certificates[0]

    @property
    def unanchored(self) -> tuple[Certificate, ...]:
        """All but the anchor: those that have to be believed because of a signature."""
        return self.certificates if self.anchor is None else self.certificates[:-1] or self.certificates


@dataclass(slots=True)
class Search:
    """Finds paths, the likeliest first."""

    sent: Sequence[Certificate]
    """As sent; the first is the leaf."""
    store: TrustStore
    pool: Pool
    verify: Verify
    longest: int = 10
    """Certificates of a path, leaf and anchor included."""
    budget: int = 100
    """Signatures that may still be checked."""
    used_pool: bool = field(default=False, init=False)
    """Whether the result depends on what else the capture holds."""
    _dead_end: tuple[tuple[Certificate, ...], tuple[Verification, ...]] = field(default=((), ()), init=False)
    _by_subject: dict[Name, list[Certificate]] = field(default_factory=dict, init=False)

    def paths(self) -> Iterator[Path]:
        """Every path to an anchor; where there is none, the one that comes closest.

        Links with a wrong signature are followed only where no others lead to an anchor.
        """
        for certificate in {one.der: one for one in self.sent}.values():
            self._by_subject.setdefault(certificate.subject, []).append(certificate)
        leaf = self.sent[0]
        found = False
        for path in self._extend((leaf,), (), self._from_peer_and_store, forgive=False):
            found = True
            yield path
        if found:
            return
        dead_end, budget = self._dead_end, self.budget
        if not dead_end[0][-1].self_signed:
            self.used_pool = True
            borrowed = next(self._extend((leaf,), (), self._from_everywhere, forgive=False), None)
            if borrowed is not None:
                certificates, links = dead_end
                yield Path(certificates, None, None, links, "issuer-seen-elsewhere", self._elsewhere(borrowed))
                return
            self._dead_end, self.budget = dead_end, budget  # what others sent is no part of this chain
        for path in self._extend((leaf,), (), self._from_peer_and_store, forgive=True):
            found = True
            yield path
        if not found:
            yield self._unanchored(*self._dead_end)

    def _extend(
        self,
        certificates: tuple[Certificate, ...],
        links: tuple[Verification, ...],
        candidates: Callable[[Certificate], list[Certificate]],
        forgive: bool,
    ) -> Iterator[Path]:
        """Go on from the last certificate, depth first; remember the longest way that ends at no anchor."""
        last = certificates[-1]
        store = self.store.part_of(last)
        if store is not None:
            yield Path(certificates, last, store, links)
            return
        good, bad = False, []
        if len(certificates) < self.longest and not last.self_signed:
            for issuer in candidates(last):
                if any(_same_authority(issuer, one) for one in certificates):
                    continue
                if self.budget <= 0:
                    break
                self.budget -= 1
                link = self.verify(last, issuer)
                if link.status == "fail":
                    bad.append((issuer, link))
                else:
                    good = True
                    yield from self._extend((*certificates, issuer), (*links, link), candidates, forgive)
        if not good and len(certificates) > len(self._dead_end[0]):
            self._dead_end = certificates, links
        if forgive and not good:
            for issuer, link in bad:
                if _key_match(last, issuer) != _OTHER_KEY:
                    yield from self._extend((*certificates, issuer), (*links, link), candidates, forgive)

    def _from_peer_and_store(self, last: Certificate) -> list[Certificate]:
        found = [*self.store.issuers(last.issuer), *self._by_subject.get(last.issuer, [])]
        return sorted(found, key=lambda issuer: _key_match(last, issuer))

    def _from_everywhere(self, last: Certificate) -> list[Certificate]:
        return [*self._from_peer_and_store(last), *self.pool.issuers(last.issuer)]

    def _unanchored(self, certificates: tuple[Certificate, ...], links: tuple[Verification, ...]) -> Path:
        last = certificates[-1]
        fault: Fault
        if self.budget <= 0:
            fault = "search-given-up"
            why = "the search was given up: too many certificates claim to have issued each other"
        elif certificates[0].self_issued and len(certificates) == 1:
            fault = "self-signed"
            why = f"{last.subject} is self-signed and is itself no anchor"
        elif last.self_issued:
            fault = "issuer-unknown"
            why = f"the chain ends in the self-signed {last.subject}, which is no anchor"
        elif len(certificates) == 1:
            fault = "issuer-not-sent"
            why = f"{last.issuer}, which issued {last.subject}, was not sent and is no anchor"
        else:
            fault = "issuer-unknown"
            why = f"{last.issuer}, which issued {last.subject}, is no anchor and was not sent"
        return Path(certificates, None, None, links, fault, why)

    def _elsewhere(self, borrowed: Path) -> str:
        sent = {one.der for one in self.sent}
        issuer, issued = next(
            (issuer, issued)
            for issued, issuer in pairwise(borrowed.certificates)
            if issuer.der not in sent and issuer not in self.store
        )
        where = self.pool.where(issuer)
        return f"{issuer.subject}, which issued {issued.subject}, was not sent here, but in {where}"


def _same_authority(one: Certificate, other: Certificate) -> bool:
    """Same name and same key: a path through both would go in circles."""
    return one.spki == other.spki and one.subject == other.subject


_SAME_KEY, _ANY_KEY, _OTHER_KEY = range(3)


def _key_match(issued: Certificate, issuer: Certificate) -> int:
    """What the key identifiers say of an issuer of the right name (RFC 5280, section 4.2.1.1)."""
    wanted, has = issued.authority_key_identifier, issuer.subject_key_identifier
    if wanted is None or has is None:
        return _ANY_KEY
    return _SAME_KEY if wanted == has else _OTHER_KEY
