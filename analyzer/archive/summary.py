"""What does a dataset say, in one page? Each section is a query of SQL over its tables.

`server` is the name that the client asked for; where it asked for none, the name that is asked for at that address
and port, if it is but one; else the address.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from analyzer.archive.dataset import Dataset

_READ = """
CREATE TEMP TABLE named AS
WITH seen AS (
    SELECT day, start, client_ip AS client, server_ip, server_port AS port, server_name, version, cipher_suite, outcome,
           authentication, authentication_basis AS basis, root_cause, alerts[1].description AS alert,
           client_certificate_subject, client_certificate_issuer, client_certificate_not_after
    FROM handshakes
), names AS (
    SELECT server_ip, port, any_value(server_name) AS name FROM seen
    WHERE server_name IS NOT NULL GROUP BY ALL HAVING min(server_name) = max(server_name)
)
SELECT seen.*, coalesce(server_name, name, server_ip) AS server FROM seen LEFT JOIN names USING (server_ip, port)
;
CREATE TEMP TABLE leaves AS
SELECT sha256, subject, issuer, not_after, sum(server_leaf)::BIGINT AS as_server, sum(client_leaf)::BIGINT AS as_client,
       max(last_seen) AS last_seen
FROM certificates GROUP BY sha256, subject, issuer, not_after;
CREATE TEMP TABLE read AS
SELECT capture, frames, bytes, connections, members, coalesce(error, list_filter(issues, lambda issue:
       issue.code LIKE 'capture-%')[1].message) AS reason, error IS NOT NULL AS failed
FROM captures
"""
"""Read once what all sections ask for; what does not fit into memory goes to disk."""

_COUNTS = """
    count(*) AS handshakes,
    count(*) FILTER (authentication = 'mutual') AS mutual,
    count(*) FILTER (authentication = 'one-way') AS one_way,
    count(*) FILTER (authentication = 'requested-not-provided') AS requested_not_provided,
    count(*) FILTER (authentication NOT IN ('mutual', 'one-way', 'requested-not-provided')) AS other,
    count(*) FILTER (outcome = 'failed') AS failed
"""


@dataclass(slots=True, frozen=True)
class Section:
    """A question, and the query that answers it."""

    name: str
    """Its key in JSON."""
    title: str
    """Above it on a page."""
    explains: str
    """What a reader may not know, in a sentence; or nothing."""
    sql: str
    """Over the tables, and `named`: the handshakes with `server`."""
    order: str
    """Its rows' order, by columns of the answer."""
    whole: bool = False
    """Shown with all its rows, for they are not many."""


SECTIONS = (
    Section(
        "overview",
        "Overview",
        "",
        """
        SELECT *, (SELECT count(*) FROM leaves) AS certificates FROM
            (SELECT count(*) FILTER (members IS NULL) AS captures,
                    count(*) FILTER (failed) AS unreadable,
                    sum(frames)::BIGINT AS frames, sum(bytes)::BIGINT AS bytes,
                    sum(connections)::BIGINT AS connections FROM read),
            (SELECT count(*) AS handshakes, min(start) AS first, max(start) AS last,
                    count(DISTINCT client) AS clients, count(DISTINCT (server_ip, port)) AS servers FROM named)
        """,
        "captures",
    ),
    Section(
        "verdicts",
        "Verdicts",
        "",
        """
        SELECT authentication, basis, outcome, count(*) AS handshakes
        FROM named GROUP BY ALL
        """,
        "handshakes DESC, authentication, basis, outcome",
        whole=True,
    ),
    Section("days", "By day", "", f"SELECT day, {_COUNTS} FROM named GROUP BY ALL", "day", whole=True),
    Section(
        "servers",
        "By server",
        "",
        f"SELECT server, port, {_COUNTS} FROM named GROUP BY ALL",
        "handshakes DESC, server, port",
    ),
    Section(
        "protocols",
        "Versions and cipher suites",
        "",
        """
        SELECT version, cipher_suite, count(*) AS handshakes, count(DISTINCT (server, port)) AS servers
        FROM named WHERE version IS NOT NULL GROUP BY ALL
        """,
        "handshakes DESC, version, cipher_suite",
    ),
    Section(
        "failures",
        "Failing pairs by root cause",
        "Where no root cause is known, the first alert stands in brackets.",
        """
        SELECT client, server, port,
               coalesce(root_cause, '[' || coalesce(alert, 'no readable alert') || ']') AS root_cause,
               count(*) AS failed, min(start) AS first, max(start) AS last
        FROM named WHERE outcome = 'failed' GROUP BY ALL
        """,
        "failed DESC, client, server, port, root_cause",
    ),
    Section(
        "broken",
        "Healthy pairs that began to fail",
        "Established before, and nothing but failures since.",
        """
        WITH ends AS (
            SELECT client, server, port,
                   max(start) FILTER (outcome = 'established') AS last_established,
                   count(*) FILTER (outcome = 'established') AS established
            FROM named GROUP BY ALL
        )
        SELECT client, server, port, last_established, min(start) AS first_failure, count(*) AS failed_since,
               any_value(established) AS established, mode(root_cause) AS root_cause
        FROM named JOIN ends USING (client, server, port)
        WHERE outcome = 'failed' AND start > last_established
        GROUP BY ALL
        """,
        "first_failure DESC, client, server, port",
    ),
    Section(
        "expiry",
        "Certificates in use, by expiry",
        "Days left count from the last handshake of the dataset.",
        """
        SELECT not_after, date_diff('day', (SELECT max(start) FROM named), not_after) AS days_left, subject, issuer,
               as_server, as_client, last_seen, sha256
        FROM leaves WHERE as_server + as_client > 0
        """,
        "not_after, sha256",
    ),
    Section(
        "identities",
        "Client identities",
        "",
        """
        SELECT client_certificate_subject AS subject, client_certificate_issuer AS issuer,
               client_certificate_not_after AS not_after, count(*) AS handshakes,
               count(*) FILTER (outcome = 'failed') AS failed, count(DISTINCT client) AS clients,
               count(DISTINCT (server, port)) AS servers, min(start) AS first_seen, max(start) AS last_seen
        FROM named WHERE client_certificate_subject IS NOT NULL
        GROUP BY ALL
        """,
        "handshakes DESC, subject, not_after, issuer",
    ),
    Section(
        "pairs",
        "Clients and servers, first and last seen",
        "",
        f"""
        SELECT client, server, port, min(start) AS first_seen, max(start) AS last_seen,
               {_COUNTS}
        FROM named GROUP BY ALL
        """,
        "handshakes DESC, client, server, port",
    ),
    Section(
        "captures",
        "Captures that were not read whole",
        "",
        """
        SELECT capture, reason FROM read WHERE reason IS NOT NULL
        """,
        "capture",
    ),
)
"""In the order of the page."""


@dataclass(slots=True)
class Answer:
    """A section's rows, as many as were asked for."""

    section: Section
    columns: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0
    """How many there are."""

    @property
    def rest(self) -> int:
        """How many are not among `rows`."""
        return self.total - len(self.rows)


def summarize(dataset: Dataset, top: int | None) -> Iterator[Answer]:
    """Answer every section, with at most `top` rows each where they may be many."""
    with dataset.connect() as connection:
        connection.execute(_READ)
        for section in SECTIONS:
            limit = "" if top is None or section.whole else f"LIMIT {top}"
            # The rows that are shown are looked for: to sort all of them would take longer than all else.
            query = f"""
                WITH answer AS MATERIALIZED ({section.sql})
                SELECT *, (SELECT count(*) FROM answer) AS total FROM answer ORDER BY {section.order} {limit}
            """
            found = connection.sql(query).to_arrow_table()
            rows = found.to_pylist()
            total = rows[0]["total"] if rows else 0
            for row in rows:
                del row["total"]
            yield Answer(section, found.column_names[:-1], rows, total)
