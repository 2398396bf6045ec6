"""LDAP: the client sends the StartTLS extended operation, the server answers success, TLS begins (RFC 4511, 4.14)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from analyzer.tls.preambles._preamble import Preamble, quote, waiting

CLIENT, SERVER = b"\x30", b"\x30"
GREETS = False

_START_TLS = b"\x80\x161.3.6.1.4.1.1466.20037"
_DISCONNECTION = b"1.3.6.1.4.1.1466.20036"
_BIND_REQUEST, _BIND_RESPONSE, _EXTENDED_REQUEST, _EXTENDED_RESPONSE = 0x60, 0x61, 0x77, 0x78
_REQUESTS = b"\x42\x4a\x50\x60\x63\x66\x68\x6c\x6e\x77"  # [APPLICATION n] tags of every request
_RESPONSES = b"\x61\x64\x65\x67\x69\x6b\x6d\x6f\x73\x78\x79"
_RESULTS = {
    1: "operationsError",
    2: "protocolError",
    8: "strongerAuthRequired",
    10: "referral",
    51: "busy",
    52: "unavailable",
    53: "unwillingToPerform",
    80: "other",
}


class _Message(NamedTuple):
    """One LDAPMessage (RFC 4511, section 4.1.1)."""

    number: bytes
    operation: int
    body: bytes
    end: int


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    if not _is_ldap(client, _REQUESTS) or not _is_ldap(server, _RESPONSES):
        return None
    responses = {message.number: message for message in _messages(server)}
    refusal: Preamble | None = None
    asked = 0
    for request in _messages(client):
        response = responses.get(request.number)
        if request.operation == _EXTENDED_REQUEST and request.body.startswith(_START_TLS):
            response = response or next((r for r in responses.values() if _DISCONNECTION in r.body), None)
            if response is None:
                asked = request.end
                continue
            code, text = _result(response.body)
            if response.operation == _EXTENDED_RESPONSE and code == 0:
                says = "The client asked for StartTLS and the server answered success."
                return Preamble("ldap", "tls", request.end, response.end, says)
            says = f"The server declined StartTLS: {_RESULTS.get(code, 'result')} ({code}) {text}".rstrip()
            refusal = Preamble("ldap", "refused", request.end, response.end, says)
        elif request.operation == _BIND_REQUEST and response and response.operation == _BIND_RESPONSE:
            named = not request.body.startswith(b"\2\1\3\4\0\x80\0")
            if named and _result(response.body)[0] in (0, 14):
                says = "The client authenticated in clear; the session goes on without TLS."
                other = Preamble("ldap", "other", request.end, response.end, says)
                return replace(refusal, final=True) if refusal else other
        if refusal and response and request.end > refusal.client:
            refusal = replace(refusal, final=True)  # What it asks next, it asks in clear.
    return refusal or waiting("ldap", asked, "sent StartTLS")


def _is_ldap(data: bytes, operations: bytes) -> bool:
    """Whether `data`, however short, can begin with an LDAPMessage of one of these operations."""
    if not data:
        return True
    header = _header(data, 0)
    if header is None:
        return data[0] == 0x30 and len(data) < 6
    tag, body, _ = header
    number = data[body : body + 2]
    if tag != 0x30 or number[:1] not in (b"", b"\2") or number[1:] not in (b"", b"\1", b"\2", b"\3", b"\4"):
        return False
    operation = body + 2 + number[1] if len(number) == 2 else len(data)
    return operation >= len(data) or data[operation] in operations


def _messages(data: bytes) -> Iterator[_Message]:
    """Every whole message, up to the first bytes that are none."""
    position = 0
    while (outer := _header(data, position)) and outer[0] == 0x30 and outer[2] <= len(data):
        number = _header(data, outer[1])
        operation = _header(data, number[2]) if number else None
        if not number or not operation or number[0] != 2 or operation[2] > outer[2]:
            return
        value = data[number[1] : number[2]].lstrip(b"\0")
        yield _Message(value, operation[0], data[operation[1] : operation[2]], outer[2])
        position = outer[2]


def _header(data: bytes, position: int) -> tuple[int, int, int] | None:
    """Tag, begin and end of the contents of the BER element at `position` (X.690, section 8.1)."""
    if len(data) < position + 2:
        return None
    tag, length = data[position], data[position + 1]
    position += 2
    if length & 0x80:
        size = length & 0x7F
        if size > 4 or len(data) < position + size:
            return None
        length = int.from_bytes(data[position : position + size])
        position += size
    return tag, position, position + length


def _result(body: bytes) -> tuple[int, str]:
    """Result code and diagnostic message of an LDAPResult (RFC 4511, section 4.1.9)."""
    code = _header(body, 0)
    if code is None:
        return -1, ""
    matched = _header(body, code[2])
    message = _header(body, matched[2]) if matched else None
    text = quote(body[message[1] : message[2]]) if message else ""
    return int.from_bytes(body[code[1] : code[2]][:4]), text
