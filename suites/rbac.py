"""`python -m suites.rbac`: deploy/rbac, a role for each level, from the permissions that the checks declare.

And one file with the account whose token reads MetalLB's metrics. Other namespaces, of MetalLB, the accounts or the
runs' workloads: `python -m suites.rbac --metallb-namespace NAME --namespace NAME --workloads-namespace NAME
--directory DIR`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from clusters.changes.workspace import WORKLOADS
from clusters.checks import Access, CheckSpec, Level, Place
from clusters.metallb import install
from clusters.objects import Object
from clusters.observation import cluster_part
from clusters.preflight import needs_of
from suites.plugin.declare import load

_ROOT = Path(__file__).parent.parent
_PLACE = _ROOT / "deploy" / "rbac"
_ACCOUNT = "metallb-conformance"
_GROUP = "rbac.authorization.k8s.io"
_METRICS_HEAD = """\
# For profiles with `metrics: token-request`: service account {metallb}/{name},
# which may read metrics and nothing else. MetalLB's pods of 0.16 and newer give theirs to a token only, and get
# no other than this account's. The last role is for the accounts of the levels: it lets them ask for that token
# and forward a port to a pod of MetalLB's.
# Written by `python -m suites.rbac`; change that, not this file.
"""
_HEAD = """\
{meaning}
# The permissions of a run at level {level}, for service account {account}.
# Written by `python -m suites.rbac` from what the checks declare; change those, not this file.
"""
#: What the API server lets in: no pod here may do what a node's own programs may.
_POD_SECURITY = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}


@dataclass(frozen=True, kw_only=True)
class Role:
    """One file: a level's permissions and what they amount to, said first.

    With `own_namespaces` the runs make the namespaces of their workloads, so that what they do there is allowed in
    all namespaces.
    """

    file: str
    level: Level
    meaning: str
    own_namespaces: bool = False


@dataclass(frozen=True, kw_only=True)
class Namespaces:
    """Where things are: MetalLB, the service accounts of the runs, and the workloads that the runs make."""

    metallb: str = "metallb-system"
    accounts: str = _ACCOUNT
    workloads: str = WORKLOADS


_OBSERVE = "# What it amounts to: reading. It changes nothing, and reads no Secret."
_CREATE = """\
# What it amounts to: pods and services in namespace {workloads} alone, under Pod Security "restricted",
# and every pool and L2Advertisement in {metallb}. It writes nothing that belongs to the whole cluster."""
_CREATE_OWN = """\
# What it amounts to: cluster-admin by another name. Who may create Deployments in every namespace runs any pod there,
# with any service account, any Secret and any folder of a node; this role also deletes any namespace and any service.
# Take create.yaml instead, unless runs have to make namespaces of their own."""
_DISRUPT = """\
# What it amounts to: cluster-admin by another name. It replaces MetalLB's workloads, whose speakers are on the nodes'
# own network, and its roles, webhooks and resource definitions, and taints nodes. For clusters that may be lost."""
ROLES = (
    Role(file="observe", level=Level.OBSERVE, meaning=_OBSERVE),
    Role(file="create", level=Level.CREATE, meaning=_CREATE),
    Role(file="create-own-namespaces", level=Level.CREATE, meaning=_CREATE_OWN, own_namespaces=True),
    Role(file="disrupt", level=Level.DISRUPT, meaning=_DISRUPT),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or with --check say whether they are current (1 where they are not)."""
    parser = argparse.ArgumentParser(prog="python -m suites.rbac", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where a file is stale")
    parser.add_argument("--directory", type=Path, default=_PLACE, metavar="DIR", help="where the files go")
    parser.add_argument("--metallb-namespace", default="metallb-system", metavar="NAME")
    parser.add_argument("--namespace", default=_ACCOUNT, metavar="NAME", help="the service accounts' own")
    parser.add_argument(
        "--workloads-namespace", default=WORKLOADS, metavar="NAME", help="for runs' workloads"
    )
    given = parser.parse_args(arguments)
    if given.workloads_namespace in (given.namespace, given.metallb_namespace):
        parser.error(
            "--workloads-namespace must be one of its own: who creates pods in it may use all that it holds"
        )
    namespaces = Namespaces(
        metallb=given.metallb_namespace, accounts=given.namespace, workloads=given.workloads_namespace
    )
    specs = [one.spec for one in load(_ROOT / "suites").values()]
    stale = 0
    pages = {role.file: page(specs, role, namespaces) for role in ROLES}
    for name, text in {**pages, "metrics": metrics_page(namespaces)}.items():
        path = given.directory / f"{name}.yaml"
        if not given.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.stderr.write(f"error: {path} is stale. Run python -m suites.rbac\n")
            stale = 1
    return stale


def page(specs: Iterable[CheckSpec], role: Role, namespaces: Namespaces) -> str:
    """One role's file."""
    things = objects(specs, role, namespaces)
    meaning = role.meaning.format(workloads=namespaces.workloads, metallb=namespaces.metallb)
    account = f"{namespaces.accounts}/{_ACCOUNT}-{role.file}"
    head = _HEAD.format(meaning=meaning, level=role.level, account=account)
    return head + _dumped(things)


def metrics_page(namespaces: Namespaces) -> str:
    """The file of the account whose token reads metrics: the account, and the right to ask for its token."""
    name, metallb = install.METRICS_ACCOUNT, namespaces.metallb
    used: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for use in cluster_part.METRICS:
        used.setdefault((use.resource, use.names), []).append(use.verb)
    rules = [_rule(resource, names, verbs) for (resource, names), verbs in used.items()]
    subjects = [
        {"kind": "ServiceAccount", "name": f"{_ACCOUNT}-{role.file}", "namespace": namespaces.accounts}
        for role in ROLES
    ]
    base = {"apiVersion": f"{_GROUP}/v1"}
    reference = {"apiGroup": _GROUP, "kind": "Role", "name": name}
    things = [
        *install.metrics_account(metallb),
        {**base, "kind": "Role", "metadata": {"name": name, "namespace": metallb}, "rules": rules},
        {
            **base,
            "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": metallb},
            "roleRef": reference,
            "subjects": subjects,
        },
    ]
    return _METRICS_HEAD.format(name=name, metallb=metallb) + _dumped(things)


def _dumped(things: list[Object]) -> str:
    return yaml.safe_dump_all(
        things, sort_keys=False, width=110, explicit_start=True, default_flow_style=None
    )


def objects(specs: Iterable[CheckSpec], role: Role, namespaces: Namespaces) -> list[Object]:
    """The namespaces, the service account, and one role with its binding for each place."""
    name, home = f"{_ACCOUNT}-{role.file}", namespaces.accounts
    account = {"kind": "ServiceAccount", "name": name, "namespace": home}
    rules = rules_of(specs, role)
    fixed = [namespaces.workloads] if Place.WORKLOADS in rules else []
    things: list[Object] = [_namespace(each) for each in (home, *fixed)]
    about_account = {"name": name, "namespace": home}
    # A pod that wants its token says so itself.
    things.append(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": about_account,
         "automountServiceAccountToken": False}
    )  # fmt: skip
    for place, allowed in rules.items():
        where = Access(resource="", verb="", place=place).namespace(namespaces.metallb, namespaces.workloads)
        about = {"name": name} | ({"namespace": where} if where else {})
        kind = "Role" if where else "ClusterRole"
        base = {"apiVersion": f"{_GROUP}/v1"}
        things.append({**base, "kind": kind, "metadata": about, "rules": allowed})
        reference = {"apiGroup": _GROUP, "kind": kind, "name": name}
        things.append(
            {**base, "kind": f"{kind}Binding", "metadata": about, "roleRef": reference, "subjects": [account]}
        )
    return things


def _namespace(name: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": dict(_POD_SECURITY)},
    }


def rules_of(specs: Iterable[CheckSpec], role: Role) -> Mapping[Place, list[Object]]:
    """The rules of a role by place: one for each resource, with all verbs on it."""
    needs = needs_of([spec for spec in specs if role.level.allows(spec.level)], role.level)
    uses = {*needs.required, *needs.optional}
    if role.own_namespaces:
        needs = needs.with_own_namespace()
        uses = {_everywhere(use) for use in (*needs.required, *needs.optional)}
    wanted = sorted(_narrowed(uses))
    found: dict[Place, dict[tuple[str, tuple[str, ...]], list[str]]] = {}
    for use in sorted(wanted, key=lambda one: list(Place).index(one.place)):
        found.setdefault(use.place, {}).setdefault((use.resource, use.names), []).append(use.verb)
    return {
        place: [_rule(resource, names, verbs) for (resource, names), verbs in resources.items()]
        for place, resources in found.items()
    }


def _everywhere(use: Access) -> Access:
    """The same where nobody knows the namespace beforehand."""
    return replace(use, place=Place.EVERYWHERE) if use.place is Place.WORKLOADS else use


def _narrowed(uses: set[Access]) -> Iterator[Access]:
    """Without what another one allows already: everywhere is also in one namespace, all names are also one."""
    plain = {(use.resource, use.verb, use.place) for use in uses if not use.names}
    for use in uses:
        wider = {(use.resource, use.verb, Place.EVERYWHERE)} if use.place is not Place.EVERYWHERE else set()
        wider |= {(use.resource, use.verb, use.place)} if use.names else set()
        if not wider & plain:
            yield use


def _rule(resource: str, names: tuple[str, ...], verbs: Sequence[str]) -> Object:
    if resource.startswith("/"):
        return {"nonResourceURLs": [resource], "verbs": list(verbs)}
    use = Access(resource=resource, verb="")
    plural = "/".join(part for part in (use.plural, use.subresource) if part)
    rule: Object = {"apiGroups": [use.group], "resources": [plural], "verbs": list(verbs)}
    return rule | ({"resourceNames": list(names)} if names else {})


if __name__ == "__main__":
    raise SystemExit(main())
