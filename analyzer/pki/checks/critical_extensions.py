"""No certificate of the path has a critical extension that a verifier of TLS does not know.

Certificate policies are known, not evaluated: any policy is acceptable in TLS.
"""

from collections.abc import Iterator

from analyzer.pki.context import Context, Result, failed, listed

DECIDES = ("server", "client")
CITATION = "RFC 5280, section 4.2"

_KNOWN = {
    "authorityInfoAccess",
    "authorityKeyIdentifier",
    "basicConstraints",
    "cRLDistributionPoints",
    "certificatePolicies",
    "extKeyUsage",
    "inhibitAnyPolicy",
    "issuerAltName",
    "keyUsage",
    "nameConstraints",
    "netscapeCertType",
    "policyConstraints",
    "policyMappings",
    "subjectAltName",
    "subjectKeyIdentifier",
    "tlsFeature",
}


def check(context: Context) -> Iterator[Result]:
    """Look for unknown ones that are marked critical."""
    for one in context.path.certificates:
        unknown = [name for name, found in one.extensions.items() if found.critical and name not in _KNOWN]
        if unknown:
            yield failed(one, expected="only known extensions critical", got=listed(sorted(unknown)))
