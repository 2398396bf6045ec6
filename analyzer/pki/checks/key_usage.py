"""Every key of the path may be used for what it was used for."""

from collections.abc import Iterator

from analyzer.pki.context import Context, Result, failed, undetermined

DECIDES = ("server", "client")
CITATION = "RFC 5280, section 4.2.1.3"

_BY_KEY_EXCHANGE = {  # RFC 5246, section 7.4.2
    "RSA": ("keyEncipherment",),
    "RSA_PSK": ("keyEncipherment",),
    "DH": ("keyAgreement",),
    "ECDH": ("keyAgreement",),
    None: ("digitalSignature", "keyEncipherment", "keyAgreement"),
}


def check(context: Context) -> Iterator[Result]:
    """Ask issuers for keyCertSign, the leaf for what the handshake needed; without the extension all is allowed."""
    for one in context.path.certificates:
        usage = one.key_usage
        if one.why("key_usage"):
            yield undetermined(one, "the key usage cannot be parsed")
        elif usage is not None:
            wanted = _wanted(context) if one is context.path.leaf else ("keyCertSign",)
            if not usage.intersection(wanted):
                yield failed(one, expected=" or ".join(wanted), got=", ".join(sorted(usage)) or "none")


def _wanted(context: Context) -> tuple[str, ...]:
    if context.role == "client":
        return "digitalSignature", "keyAgreement"
    return _BY_KEY_EXCHANGE.get(context.exchange.key_exchange, ("digitalSignature",))
