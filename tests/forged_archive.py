"""A made-up archive of a month, for the recipes: a few integrations, each with a story of its own."""

from dataclasses import replace
from datetime import UTC, datetime

from archived import write
from forged_reports import LEAF, capture, handshake

from analyzer.archive.dataset import Dataset
from analyzer.results import AlertReport, ChainReport, CheckReport, Endpoint, Finding

DAYS = range(1, 31)


def certificate(name, not_after, number):
    return replace(
        LEAF,
        subject=f"CN={name}",
        issuer="CN=Example CA",
        not_after=f"{not_after}T00:00:00.000000Z",
        sha256=f"{number:064x}",
    )


CRM = certificate("crm.example", "2026-11-20", 1)
ERP = certificate("erp.example", "2026-12-24", 2)
PARTNER = certificate("partner.example", "2027-06-01", 3)
PAY_OLD = certificate("pay.example", "2026-11-25", 4)
PAY_NEW = certificate("pay.example", "2027-11-25", 5)
LEGACY = certificate("legacy.example", "2030-01-01", 6)
GATE = certificate("gate.example", "2027-03-01", 7)
BROKEN = ChainReport("fail", None, [CheckReport("issuer-known", "fail", LEGACY.sha256, None, None, None)])
GOOD = ChainReport("pass", "CN=Example Root", [])


def story(day):
    """The handshakes of one day of November 2026."""
    yield crm(day)
    mutual = {"server": [PARTNER], "client": [ERP]}
    yield shake(day, 9, "192.0.2.11", "partner.example", 8443, certificates=mutual)
    one_way = {
        "authentication": "one-way",
        "client_certificate_requested": False,
        "client_certificate_presented": False,
    }
    pay = {"server": [PAY_OLD if day < 15 else PAY_NEW], "client": []}
    yield shake(day, 10, "192.0.2.10", "pay.example", 443, certificates=pay, **one_way)
    yield shake(day, 11, "192.0.2.12", "pay.example", 443, certificates=pay, **one_way)
    if day % 10 == 0:
        old = {"version": "TLSv1.0", "cipher_suite": "TLS_RSA_WITH_AES_128_CBC_SHA", "ja4": "t10i060300_old_old"}
        chain = {"server": BROKEN, "client": None}
        legacy = {"server": [LEGACY], "client": []}
        yield shake(day, 12, "192.0.2.13", "legacy.example", 443, certificates=legacy, chain=chain, **one_way, **old)
    if day % 7 == 0:
        yield failed(
            day, 13, "192.0.2.14", "gate.example", "client-certificate-missing", "Configure the client's certificate.",
            authentication="requested-not-provided", client_certificate_presented=False,
            certificates={"server": [GATE], "client": []}, ja4="t13d1516h2_gate_gate",
        )  # fmt: skip


def crm(day):
    """Its certificate expires in the night to the 20th."""
    sent = {"server": [PARTNER], "client": [CRM]}
    if day < 20:
        return shake(day, 8, "192.0.2.10", "partner.example", 8443, certificates=sent)
    remedy = "Renew the client's certificate."
    return failed(
        day, 8, "192.0.2.10", "partner.example", "client-certificate-expired", remedy, certificates=sent,
        client_certificate_presented=True,
    )  # fmt: skip


def shake(day, hour, client, server, port, **changes):
    start = int(datetime(2026, 11, day, hour, tzinfo=UTC).timestamp()) * 10**9
    made = {
        "start": start,
        "stream": hour,
        "client": Endpoint(client, 50000),
        "chain": {"server": GOOD, "client": None},
    }
    address = f"198.51.100.{sum(map(ord, server)) % 200}"
    return handshake(**{**made, "server": Endpoint(address, port), "server_name": server, **changes})


def failed(day, hour, client, server, cause, remedy, **changes):
    finding = Finding(cause, "error", "certain", "client-authentication", f"{cause}.", remedy)
    alert = AlertReport(9, "server", "fatal", "certificate_unknown")
    return shake(
        day,
        hour,
        client,
        server,
        8443,
        outcome="failed",
        findings=[finding],
        root_cause=cause,
        alerts=[alert],
        **changes,
    )


def build(place):
    """Write the dataset, a capture a day; returns its place."""
    dataset = Dataset(str(place))
    dataset.create({})
    for day in DAYS:
        name, shakes = f"2026-11-{day:02}.pcap", list(story(day))
        modified = shakes[-1].start // 1000
        report = capture(*shakes, capture=name, start=shakes[0].start, end=shakes[-1].start, issues=[])
        write(dataset, f"{day:032x}", report, source=f"/archive/{name}", size=1_000_000, modified=modified)
    unreadable = capture(capture="2026-12-01.pcap", format=None, frames=0, bytes=0, start=None, end=None, connections=0,
                         issues=[], error="Empty file")  # fmt: skip
    write(dataset, "f" * 32, unreadable, source="/archive/2026-12-01.pcap", size=0)
    return place
