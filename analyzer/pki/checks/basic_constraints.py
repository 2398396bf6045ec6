"""Every issuer of the path is a certification authority, with no more intermediates below it than it allows."""

from collections.abc import Iterator

from analyzer.pki.context import Context, Result, failed, undetermined

DECIDES = ("server", "client")
CITATION = "RFC 5280, section 4.2.1.9"


def check(context: Context) -> Iterator[Result]:
    """Look at every certificate but the leaf; an anchor older than extensions (v1) is taken at its owner's word."""
    path = context.path
    below = 0
    for issuer in path.certificates[1:]:
        constraints = issuer.basic_constraints
        if issuer.why("basic_constraints"):
            yield undetermined(issuer, "the basic constraints cannot be parsed")
        elif constraints is None and issuer is path.anchor and issuer.version < 3:
            pass
        elif constraints is None or not constraints.ca:
            got = "no basic constraints" if constraints is None else "CA:FALSE"
            yield failed(issuer, expected="CA:TRUE, for it issued another certificate", got=got)
        elif constraints.path_length is not None and below > constraints.path_length:
            expected = f"at most {constraints.path_length} intermediate certificates below it"
            yield failed(issuer, expected=expected, got=str(below))
        below += not issuer.self_issued
