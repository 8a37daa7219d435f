"""`python -m suites.rbac`: deploy/rbac, a role for each level, from the permissions that the checks declare.

And one file with the account whose token reads MetalLB's metrics. Another namespace of MetalLB's, or of the accounts'
own: `python -m suites.rbac --metallb-namespace NAME --namespace NAME --directory DIR`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from clusters.checks import Access, CheckSpec, Level, Place
from clusters.metallb import metrics_account
from clusters.observation import permissions
from clusters.preflight import needs_of
from suites.plugin.explaining import load

Json = dict[str, Any]
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
# The permissions of a run at level {level}, for service account {namespace}/{account}-{level}.
# Written by `python -m suites.rbac` from what the checks declare; change those, not this file.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or with --check say whether they are current (1 where they are not)."""
    parser = argparse.ArgumentParser(prog="python -m suites.rbac", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where a file is stale")
    parser.add_argument("--directory", type=Path, default=_PLACE, metavar="DIR", help="where the files go")
    parser.add_argument("--metallb-namespace", default="metallb-system", metavar="NAME")
    parser.add_argument("--namespace", default=_ACCOUNT, metavar="NAME", help="the service accounts' own")
    given = parser.parse_args(arguments)
    specs = [one.spec for one in load(_ROOT / "suites").values()]
    stale = 0
    where = {"namespace": given.namespace, "metallb": given.metallb_namespace}
    pages = {str(level): page(specs, level, **where) for level in Level} | {"metrics": metrics_page(**where)}
    for name, text in pages.items():
        path = given.directory / f"{name}.yaml"
        if not given.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.stderr.write(f"error: {path} is stale. Run python -m suites.rbac\n")
            stale = 1
    return stale


def page(specs: Iterable[CheckSpec], level: Level, *, namespace: str, metallb: str) -> str:
    """One level's file."""
    head = _HEAD.format(level=level, namespace=namespace, account=_ACCOUNT)
    return head + _dumped(objects(specs, level, namespace=namespace, metallb=metallb))


def metrics_page(*, namespace: str, metallb: str) -> str:
    """The file of the account whose token reads metrics: the account, and the right to ask for its token."""
    name = metrics_account.NAME
    used: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for use in permissions.METRICS:
        used.setdefault((use.resource, use.names), []).append(use.verb)
    rules = [_rule(resource, names, verbs) for (resource, names), verbs in used.items()]
    subjects = [
        {"kind": "ServiceAccount", "name": f"{_ACCOUNT}-{level}", "namespace": namespace} for level in Level
    ]
    base = {"apiVersion": f"{_GROUP}/v1"}
    role = {"apiGroup": _GROUP, "kind": "Role", "name": name}
    things = [
        *metrics_account.objects(metallb),
        {**base, "kind": "Role", "metadata": {"name": name, "namespace": metallb}, "rules": rules},
        {
            **base,
            "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": metallb},
            "roleRef": role,
            "subjects": subjects,
        },
    ]
    return _METRICS_HEAD.format(name=name, metallb=metallb) + _dumped(things)


def _dumped(things: list[Json]) -> str:
    return yaml.safe_dump_all(
        things, sort_keys=False, width=110, explicit_start=True, default_flow_style=None
    )


def objects(specs: Iterable[CheckSpec], level: Level, *, namespace: str, metallb: str) -> list[Json]:
    """The namespace, the service account, and one role with its binding for each place."""
    name = f"{_ACCOUNT}-{level}"
    account = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    things: list[Json] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
    ]
    for place, rules in rules_of(specs, level).items():
        where = Access(resource="", verb="", place=place).namespace(metallb)
        about = {"name": name} | ({"namespace": where} if where else {})
        kind = "Role" if where else "ClusterRole"
        base = {"apiVersion": f"{_GROUP}/v1"}
        things.append({**base, "kind": kind, "metadata": about, "rules": rules})
        role = {"apiGroup": _GROUP, "kind": kind, "name": name}
        things.append(
            {**base, "kind": f"{kind}Binding", "metadata": about, "roleRef": role, "subjects": [account]}
        )
    return things


def rules_of(specs: Iterable[CheckSpec], level: Level) -> Mapping[Place, list[Json]]:
    """The rules of a level by place: one for each resource, with all verbs on it."""
    needs = needs_of([spec for spec in specs if level.allows(spec.level)], level)
    wanted = sorted(_narrowed({*needs.required, *needs.wished}))
    found: dict[Place, dict[tuple[str, tuple[str, ...]], list[str]]] = {}
    for use in sorted(wanted, key=lambda one: list(Place).index(one.place)):
        found.setdefault(use.place, {}).setdefault((use.resource, use.names), []).append(use.verb)
    return {
        place: [_rule(resource, names, verbs) for (resource, names), verbs in resources.items()]
        for place, resources in found.items()
    }


def _narrowed(uses: set[Access]) -> Iterator[Access]:
    """Without what another one allows already: everywhere is also in one namespace, all names are also one."""
    plain = {(use.resource, use.verb, use.place) for use in uses if not use.names}
    for use in uses:
        wider = {(use.resource, use.verb, Place.EVERYWHERE)} if use.place is not Place.EVERYWHERE else set()
        wider |= {(use.resource, use.verb, use.place)} if use.names else set()
        if not wider & plain:
            yield use


def _rule(resource: str, names: tuple[str, ...], verbs: Sequence[str]) -> Json:
    if resource.startswith("/"):
        return {"nonResourceURLs": [resource], "verbs": list(verbs)}
    use = Access(resource=resource, verb="")
    plural = "/".join(part for part in (use.plural, use.subresource) if part)
    rule: Json = {"apiGroups": [use.group], "resources": [plural], "verbs": list(verbs)}
    return rule | ({"resourceNames": list(names)} if names else {})


if __name__ == "__main__":
    raise SystemExit(main())
