"""How may a report leave the house? With placeholders for whoever took part, the same for the same, everywhere.

Replaced are addresses (RFC 5737, RFC 3849, then RFC 2544), host names (RFC 2606), names of persons and organizations
in certificates, their serial numbers and fingerprints, application protocols that nobody has registered, pre-shared
keys' identities, randoms and session identifiers, names of files, and what was said in clear before TLS. What is left
says how the handshakes went: times, ports, sizes, versions, algorithms, frames, and the fingerprints of the software
(JA3, JA4). Placeholders are numbered in the order of their first use: nothing of the original is in them.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from pathlib import PurePath

from analyzer.pki.der import DerError
from analyzer.pki.names import Name
from analyzer.report import redact_facts
from analyzer.results import (
    ApplicationReport,
    CaptureReport,
    CertificateReport,
    ChainReport,
    Endpoint,
    Finding,
    HandshakeReport,
    Sender,
)
from analyzer.tls import messages

_IPV4 = tuple(map(IPv4Network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "240.0.0.0/4")))
_IPV6 = IPv6Network("2001:db8::/32")
_DOMAINS = ("example.com", "example.net", "example.org")
_PROTOCOLS = re.compile(r"h2c?|h3|http/[\d.]+|spdy/[\d.]+|x?mqtt|imap|pop3|smtp|ftp|irc|dot|doq|acme-tls/1|coap|webrtc")
_KINDS = {"CN": "Name", "O": "Organization", "OU": "Unit", "L": "City", "ST": "State", "UID": "User", "SN": "Surname"}
_ATTRIBUTE = re.compile(r"(?P<kind>[A-Za-z][A-Za-z0-9-]*|[0-9.]+)=(?P<value>(?:\\.|[^,+\\])*)", re.DOTALL)
_DNS_NAME = re.compile(r"(\*\.)?([\w-]+\.)*[\w-]+\.?")
_QUOTED = re.compile(r"(?<!\w)'[^']*'(?!\w)")
_OUR_WORDS = frozenset(
    (
        "alert", "authority", "ca", "capture", "certificate", "chain", "client", "frame", "handshake", "host",
        "intermediate", "issuer", "leaf", "name", "none", "proxy", "root", "self-signed", "server", "test",
        "tls", "user",
    )
)  # fmt: skip
_FILES = "pem|crt|cer|der|crl|p12|pfx|pcap|pcapng|cap|snoop|key|keys|log|json|toml"
_FIELDS = "frame|ip|ipv6|tcp|udp|tls|dtls|quic|http|http2|x509af|x509ce|x509sat|x509if|ocsp|eth|icmp|icmpv6"
_TOKEN = re.compile(
    rf"""
      (?P<file>(?:[^\s'"(]*/)?[^\s'"(/]+\.(?:{_FILES})\b)
    | (?P<field>(?<![\w.])(?:{_FIELDS})(?:\.[a-z0-9_]+)+\b)
    | (?P<ipv4>(?<![\w.])(?<!section\ )(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?![\w.]*\w))
    | (?P<ipv6>(?<![\w:.])(?:[0-9a-fA-F]{{0,4}}:){{2,7}}[0-9a-fA-F]{{0,4}}(?![\w:]))
    | (?P<email>[\w.+-]+@[\w.-]+\w)
    | (?P<host>(?<![\w.-])(?:\*\.)?(?:[\w-]+\.)+(?!js\b)[A-Za-z][\w-]*[A-Za-z0-9](?![\w-]))
    | (?P<digits>(?<!\w)(?=\w*\d)[0-9A-Fa-f]{{16,}}(?!\w))
    | (?P<dn>(?<![\w.])(?:CN|O|OU|L|ST|C|DC|UID|SN|GN|emailAddress|serialNumber)=[^;"'()]*?
        (?=$|;|,\s|\.\s|\.$|["'()]|\s(?:and|in|is|not|of|or|which|expires?|expired)\s))
    """,
    re.VERBOSE,
)


def redacted(reports: Iterable[CaptureReport]) -> Iterator[CaptureReport]:
    """The reports with placeholders, the same for the same in all of them; the originals stay as they are."""
    redactor = Redactor()
    return map(redactor.capture, reports)


class Redactor:
    """Holds which placeholder stands for what."""

    def __init__(self) -> None:
        self._taken: dict[str, dict[str, str]] = {}
        self._ipv4 = (str(address) for network in _IPV4 for address in network.hosts())
        self._ipv6 = (str(address) for address in _IPV6.hosts())

    # Reports

    def capture(self, report: CaptureReport) -> CaptureReport:
        """A report with placeholders."""
        return replace(
            report,
            capture=self.file(report.capture),
            handshakes=[self.handshake(each) for each in report.handshakes],
            issues=[replace(issue, message=self.text(issue.message)) for issue in report.issues],
            error=None if report.error is None else self.text(report.error),
        )

    def handshake(self, report: HandshakeReport) -> HandshakeReport:
        """A report of one handshake with placeholders, in what its pictures are drawn of, too."""
        known = self._learn(report)

        def text(original: str) -> str:
            return self.text(original, known)

        cut = {
            each.says: _without_quotation(each.says) if report.facts is None else each.says for each in report.evidence
        }

        def finding(original: str) -> str:
            for said, left in cut.items():
                original = original.replace(said, left)
            return text(_QUOTED.sub("'…'", original))

        return replace(
            report,
            capture=self.file(report.capture),
            client=self.endpoint(report.client),
            server=self.endpoint(report.server),
            server_name=None if report.server_name is None else self.host(report.server_name),
            alpn=None if report.alpn is None else self.protocol(report.alpn),
            evidence=[replace(each, says=text(cut[each.says])) for each in report.evidence],
            proofs=[replace(each, reason=each.reason and text(each.reason)) for each in report.proofs],
            certificates={side: [self.certificate(each) for each in sent] for side, sent in _sides(report)},
            chain={side: chain and self._chain(chain, text) for side, chain in report.chain.items()},
            findings=[_finding(each, finding, text) for each in report.findings],
            application=report.application and self._application(report.application),
            facts=report.facts and redact_facts.redact(report.facts, self),
            carrier=None,
        )

    def certificate(self, report: CertificateReport) -> CertificateReport:
        """A certificate with placeholders; dates, key and algorithm stay."""
        return replace(
            report,
            subject=self.name(report.subject),
            issuer=self.name(report.issuer),
            serial_number=self.digits(report.serial_number),
            san=[self.general_name(each) for each in report.san],
            sha256=self.digits(report.sha256),
        )

    def _chain(self, report: ChainReport, text: Callable[[str], str]) -> ChainReport:
        return replace(
            report,
            anchor=report.anchor and self.name(report.anchor),
            checks=[
                replace(
                    check,
                    certificate=check.certificate and self.digits(check.certificate),
                    expected=check.expected and text(check.expected),
                    got=check.got and text(check.got),
                )
                for check in report.checks
            ],
        )

    def _application(self, report: ApplicationReport) -> ApplicationReport:
        """What was asked for, with placeholders; method, purpose and status stay."""
        if report.request is None:
            return report
        request = report.request
        path = request.path and f"/{self._placeholder('path', request.path, lambda number: f'path-{number}')}"
        authority = request.authority and self._authority(request.authority)
        return replace(report, request=replace(request, authority=authority, path=path))

    # Values, each by its kind

    def endpoint(self, original: Endpoint) -> Endpoint:
        """Another address; the port stays, for it says what was meant."""
        return replace(original, ip=self.address(original.ip))

    def address(self, original: str) -> str:
        """An address for documentation, of the same version; loopback stays."""
        try:
            address = ip_address(original)
        except ValueError:
            return self._placeholder("address", original, lambda number: f"address-{number}")
        if address.is_loopback or address.is_unspecified:
            return original
        version = self._ipv4 if isinstance(address, IPv4Address) else self._ipv6
        return self._placeholder("address", str(address), lambda _: next(version))

    def host(self, original: str) -> str:
        """A host name for documentation: of the same domain the same domain, below it label by label."""
        if _is_address(original.strip("[]")):
            return self.address(original.strip("[]"))
        labels = original.rstrip(".").lower().split(".")
        if labels in ([""], ["localhost"]):
            return original
        if len(labels) == 1:
            return self._label(labels[0])
        below = [label if label == "*" else self._label(label) for label in labels[:-2]]
        return ".".join([*below, self._domain(".".join(labels[-2:]))])

    def name(self, original: str) -> str:
        """A distinguished name (RFC 4514) with another value for each attribute."""
        return _ATTRIBUTE.sub(lambda found: f"{found['kind']}={self.value(found['kind'], found['value'])}", original)

    def value(self, kind: str, original: str) -> str:
        """Another value for an attribute of a distinguished name."""
        if kind in ("C", "jurisdictionC"):
            return "ZZ"
        if kind == "emailAddress":
            return self._email(original)
        if kind == "DC" or (kind == "CN" and "." in original and _DNS_NAME.fullmatch(original)):
            return self.host(original)
        word = _KINDS.get(kind, "Value")
        return self._placeholder(word, original, lambda number: f"{word} {number}")

    def general_name(self, original: str) -> str:
        """A subject alternative name such as `DNS:…`, of the same kind."""
        kind, _, value = original.partition(":")
        match kind:
            case "DNS":
                return f"DNS:{self.host(value)}"
            case "IP":
                return f"IP:{self.address(value)}"
            case "email":
                return f"email:{self._email(value)}"
            case "dirName":
                return f"dirName:{self.name(value)}"
            case "URI":
                scheme, _, rest = value.partition("://")
                authority, slash, path = rest.partition("/")
                path = slash and f"/{self._placeholder('path', path, lambda number: f'path-{number}')}"
                return f"URI:{scheme}://{self.host(authority)}{path}"
        return f"{kind}:{self._placeholder('Value', value, lambda number: f'Value {number}')}"

    def digits(self, original: str) -> str:
        """As many other hexadecimal digits, for serial numbers and fingerprints."""
        made = self._placeholder("digits", original.lower(), lambda number: sha256(b"%d" % number).hexdigest())
        made = (made * (len(original) // len(made) + 1))[: len(original)]
        return made.upper() if original == original.upper() else made

    def octets(self, kind: str, original: bytes) -> bytes:
        """As many other bytes."""
        made = self._placeholder(kind, original.hex(), lambda number: sha256(f"{kind} {number}".encode()).hexdigest())
        return (bytes.fromhex(made) * (len(original) // 32 + 1))[: len(original)]

    def identity(self, original: bytes) -> bytes:
        """The identity of a pre-shared key."""
        return self._placeholder("identity", original.hex(), lambda number: f"identity-{number}").encode()

    def protocol(self, original: str) -> str:
        """An application protocol: one that everybody knows stays."""
        if _PROTOCOLS.fullmatch(original):
            return original
        return self._placeholder("protocol", original, lambda number: f"protocol-{number}")

    def file(self, original: str) -> str:
        """A file's name, without the folders that lead to it; its suffixes stay."""
        if original == "-":
            return original
        suffixes = "".join(PurePath(original).suffixes)
        kept = suffixes if re.fullmatch(r"(\.[A-Za-z0-9]{1,6}){0,2}", suffixes) else PurePath(original).suffix
        word = "capture" if re.search(r"\.(pcap|pcapng|cap|snoop)", kept) else "file"
        return self._placeholder("file", original, lambda number: f"{word}-{number}{kept}")

    def text(self, original: str, known: "Known | None" = None) -> str:
        """A sentence in which every name is replaced that is known, or that looks like one."""
        pieces = [original] if known is None else known.split(original)
        return "".join(
            known.placeholders[piece] if known and at % 2 else _TOKEN.sub(self._token, piece)
            for at, piece in enumerate(pieces)
        )

    def _token(self, found: re.Match[str]) -> str:
        match found.lastgroup:
            case "file":
                return self.file(found[0])
            case "ipv4" | "ipv6":
                return self.address(found[0]) if _is_address(found[0]) else found[0]
            case "email":
                return self._email(found[0])
            case "host":
                return self.host(found[0])
            case "digits":
                return self.digits(found[0])
            case "dn":
                return self.name(found[0])
        return found[0]

    def _authority(self, original: str) -> str:
        """A host, and maybe a port."""
        found = re.fullmatch(r"(.*?)(:\d+)?", original)
        host, port = (found[1], found[2] or "") if found and not _is_address(original) else (original, "")
        made = self.host(host)
        return f"[{made}]{port}" if ":" in made else f"{made}{port}"

    def _email(self, original: str) -> str:
        user, _, host = original.rpartition("@")
        return f"{self._placeholder('user', user, lambda number: f'user-{number}')}@{self.host(host)}"

    def _label(self, original: str) -> str:
        return self._placeholder("host", original, lambda number: f"host-{number}")

    def _domain(self, original: str) -> str:
        return self._placeholder(
            "domain",
            original,
            lambda number: _DOMAINS[number - 1] if number <= len(_DOMAINS) else f"domain-{number}.example",
        )

    def _placeholder(self, kind: str, original: str, make: Callable[[int], str]) -> str:
        taken = self._taken.setdefault(kind, {})
        if original not in taken:
            taken[original] = make(len(taken) + 1)
        return taken[original]

    # Names that a sentence may hold

    def _learn(self, report: HandshakeReport) -> "Known":
        """The distinguished names of a handshake, and the values in them: they have no form to be told by."""
        names = [one for _, sent in _sides(report) for each in sent for one in (each.subject, each.issuer)]
        names += [chain.anchor for chain in report.chain.values() if chain and chain.anchor]
        if report.facts is not None:
            request = report.facts.find(messages.CertificateRequest)
            names += _texts(request.certificate_authorities if request else ())
        placeholders: dict[str, str] = {}
        for name in dict.fromkeys(names):
            placeholders[name] = self.name(name)
            for found in _ATTRIBUTE.finditer(name):
                value = found["value"]
                if len(value) > 2 and value.lower() not in _OUR_WORDS:  # a server may be called "server"
                    placeholders.setdefault(value, self.value(found["kind"], value))
        return Known({name: made for name, made in placeholders.items() if name})


class Known:
    """Names that are looked for in sentences, the longest first."""

    def __init__(self, placeholders: dict[str, str]) -> None:
        self.placeholders = placeholders
        longest = sorted(placeholders, key=lambda name: (-len(name), name))
        self._pattern = re.compile(r"(?<!\w)(" + "|".join(map(re.escape, longest)) + r")(?!\w)") if longest else None

    def split(self, text: str) -> list[str]:
        """Pieces of a text; every second one is a known name."""
        return [text] if self._pattern is None else self._pattern.split(text)


def _sides(report: HandshakeReport) -> Iterable[tuple[Sender, list[CertificateReport]]]:
    return report.certificates.items()


def _finding(report: Finding, summary: Callable[[str], str], text: Callable[[str], str]) -> Finding:
    return replace(
        report,
        summary=summary(report.summary),
        remedy=text(report.remedy),
        evidence=[replace(each, display_filter=text(each.display_filter)) for each in report.evidence],
    )


def _texts(names: Iterable[bytes]) -> Iterator[str]:
    for encoded in names:
        try:
            yield Name(encoded).text
        except DerError:
            continue


def _without_quotation(sentence: str) -> str:
    """What a party said in clear is cut, but for the number with which many protocols begin an answer."""
    return re.sub(r"(: (?:\d{3}\b)?| but ).*", r"\1…", sentence, flags=re.DOTALL)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
