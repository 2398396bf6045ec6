"""The client refused the server's Diffie-Hellman group, or another parameter, as too weak.

What it means: The server's ServerKeyExchange has a prime below 2048 bits (Logjam made 1024 bits suspect), or signs with
SHA-1. Current OpenSSL refuses that by its security level ("dh key too small", "wrong signature type").

On the wire: handshake_failure, insufficient_security or illegal_parameter by the client right after ServerKeyExchange.

Client's owner: Prefer ECDHE suites; with an old appliance lower the security level, for that connection only.

Server's owner: Use a group of 2048 bits or more (ffdhe2048, `ssl_dhparam`), or ECDHE alone.

References: RFC 7919; RFC 9155; OpenSSL, SSL_CTX_set_security_level.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.faults import sentence
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.tls import messages, registry
from analyzer.tls.key_exchange import ServerKeyExchangeParameters

SEVERITY = "error"
STAGE = "server-authentication"
SPECIFICITY = 3
WHEN = ("failed",)

_ALERTS = ("handshake_failure", "insufficient_security", "illegal_parameter", "internal_error")


def judge(case: Case) -> Judgment | None:
    """A short prime or a signature with a broken hash, and the client refuses."""
    ending = case.ending
    if case.stage != "server-authentication" or ending.sender != "client" or ending.alert not in _ALERTS:
        return None
    parameters = _parameters(case)
    if parameters is None:
        return None
    bits = _bits(case, parameters)
    scheme = parameters.signature_scheme
    weak = []
    if bits is not None and bits < 2048:
        weak.append(f"a Diffie-Hellman prime of {bits} bits, where 2048 are expected")
    if scheme is not None and registry.signature_scheme(scheme).endswith(("sha1", "md5")):
        weak.append(f"a signature by {registry.signature_scheme(scheme)}, where SHA-256 is expected")
    if not weak:
        return None
    return Judgment(
        confidence="certain" if ending.alert == "insufficient_security" else "likely",
        summary=f"{sentence(case.name('server'))} sent {' and '.join(weak)}, and {case.name('client')} {ending.words}.",
        remedy=advise(
            client="prefer ECDHE suites; for an old appliance, and this connection only, lower the security level.",
            server="use a group of 2048 bits or more, or ECDHE alone.",
            confirm=f"{case.s_client('-tls1_2', '-cipher', 'DHE')} prints `Server Temp Key`.",
        ),
        evidence=case.see(case.sent("server_key_exchange", "server"), ending),
    )


def _parameters(case: Case) -> ServerKeyExchangeParameters | None:
    sent = case.facts.find(messages.ServerKeyExchange, "server") if case.facts else None
    if sent is None or case.facts is None or case.facts.suite is None or case.facts.version is None:
        return None
    found = sent.parameters(case.facts.suite, case.facts.version)
    return found if isinstance(found, ServerKeyExchangeParameters) else None


def _bits(case: Case, parameters: ServerKeyExchangeParameters) -> int | None:
    suite = case.facts.suite if case.facts else None
    if suite is None or suite.key_exchange not in ("DHE", "DHE_PSK"):
        return None
    return int.from_bytes(parameters.prime).bit_length()
