"""Every name lies where the authorities above it may vouch for names."""

from collections.abc import Iterator
from itertools import islice
from urllib.parse import urlsplit

from analyzer.pki.certificate import Certificate
from analyzer.pki.context import Context, Result, failed, listed, undetermined
from analyzer.pki.der import DerError
from analyzer.pki.extensions import NameConstraints
from analyzer.pki.names import GeneralName, Name

DECIDES = ("server", "client")
CITATION = "RFC 5280, section 4.2.1.10"

_COMPARED = {"DNS", "email", "URI", "IP", "dirName"}
_MOST = 250_000  # comparisons; hostile certificates hold thousands of names and of constraints


def check(context: Context) -> Iterator[Result]:
    """Compare the names of each certificate with the constraints of all above it."""
    path = context.path.certificates
    left = _MOST
    for i, authority in enumerate(path[1:], 1):
        constraints = authority.name_constraints
        if authority.why("name_constraints"):
            yield undetermined(authority, "the name constraints cannot be parsed")
        if constraints is None:
            continue
        for below in path[:i]:
            if below.self_issued and below is not context.path.leaf:
                continue
            names = _names(below)
            left -= len(names) * (len(constraints.permitted) + len(constraints.excluded))
            if left < 0:
                yield undetermined(below, f"more than {_MOST} names and constraints to compare")
                return
            found = (_compare(name, constraints, below, authority) for name in names)
            yield from islice((result for result in found if result is not None), 1)


def _compare(
    name: GeneralName, constraints: NameConstraints, below: Certificate, authority: Certificate
) -> Result | None:
    permitted = [tree for tree in constraints.permitted if tree.kind == name.kind]
    excluded = [tree for tree in constraints.excluded if tree.kind == name.kind]
    if name.kind not in _COMPARED:
        why = f"{authority.subject} constrains {name.kind}, which is not compared"
        return undetermined(below, why) if permitted or excluded else None
    if permitted and not any(_within(name, tree, widest=False) for tree in permitted):
        return failed(below, expected=f"within {listed(permitted)}, by {authority.subject}", got=str(name))
    if any(_within(name, tree, widest=True) for tree in excluded):
        return failed(below, expected=f"outside {listed(excluded)}, by {authority.subject}", got=str(name))
    return None


def _names(certificate: Certificate) -> list[GeneralName]:
    """All names that constraints apply to; those of the subject too."""
    names = list(certificate.san or ())
    if certificate.subject:
        names.append(GeneralName("dirName", certificate.subject.text, certificate.subject.der))
    if not any(name.kind == "email" for name in names):
        names += [GeneralName("email", text, text.encode()) for text in certificate.subject.email_addresses]
    return names


def _within(name: GeneralName, tree: GeneralName, *, widest: bool) -> bool:
    """Whether a name lies in a subtree; `widest`: whether any host that a wildcard stands for does."""
    match name.kind:
        case "DNS":
            host = name.text.lower()
            if widest and host.startswith("*.") and tree.text.lower().partition(".")[2] == host[2:]:
                return True
            return _host_within(host.removeprefix("*."), tree.text, below=True)
        case "URI":
            return _host_within(_host(name.text), tree.text, below=False)
        case "email":
            local, _, host = name.text.rpartition("@")
            wanted_local, at, wanted = tree.text.rpartition("@")
            return (not at or local == wanted_local) and _host_within(host, wanted, below=False)
        case "IP":
            net, mask = tree.value[: len(name.value)], tree.value[len(name.value) :]
            triples = zip(name.value, net, mask, strict=False)
            return len(net) == len(mask) == len(name.value) and all(a & m == b & m for a, b, m in triples)
        case _:
            try:
                return Name(name.value).within(Name(tree.value))
            except DerError:
                return False


def _host_within(host: str, tree: str, *, below: bool) -> bool:
    """Whether a host is that of the tree or, for a tree with a leading dot (`below`: for any), lies below it."""
    host, tree = host.lower().removesuffix("."), tree.lower().removesuffix(".")
    if tree.startswith(".") or not tree:
        return host.endswith(tree)
    return host == tree or (below and host.endswith(f".{tree}"))


def _host(uri: str) -> str:
    try:
        return urlsplit(uri).hostname or ""
    except ValueError:
        return ""
