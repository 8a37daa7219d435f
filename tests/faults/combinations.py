"""The kinds of cluster that faults are made on: every pair of their properties occurs together on one of them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Protocol, TypeVar

from clusters.lab.lab import Lab
from clusters.lab.plan import Consumer, Families, LabOptions, Proxy
from clusters.metallb import versions
from tests.faults.catalogue_clone import Clone
from tests.faults.catalogue_repository import CHANGELOG, PAGE, recorded
from tests.faults.catalogue_site import SIXES

Login = Literal["certificate", "token"]
CONFIG = "metallb/overlays/lab/config.yaml"
OLD, NEW = versions.IN_THE_LAB[0], versions.IN_THE_LAB[-1]
#: The properties of a cluster that faults are spread over, with what each may be.
FACTORS: Mapping[str, tuple[str | int, str | int]] = {
    "metallb": (NEW, OLD),
    "login": ("certificate", "token"),
    "families": ("ipv4", "dual"),
    "nics": (1, 2),
    "proxy": ("iptables", "nftables"),
}


@dataclass(frozen=True, kw_only=True)
class Combination:
    """One kind of cluster. `login` is how the observation is let in: by a client certificate or by a bearer token.

    `consumer` is what serves at the edge.
    """

    key: str
    metallb: str = NEW
    login: Login = "certificate"
    families: Families = "ipv4"
    nics: int = 1
    proxy: Proxy = "iptables"
    consumer: Consumer = "agnhost"

    @property
    def words(self) -> tuple[str, ...]:
        """What it is, a cell each, in the order of `FACTORS`."""
        families = "IPv4" if self.families == "ipv4" else "IPv4 and IPv6"
        login = {"certificate": "client certificate", "token": "bearer token"}[self.login]
        return self.metallb, login, families, "one" if self.nics == 1 else "two", self.proxy

    def options(self, name: str) -> LabOptions:
        """A lab of this kind."""
        metallb = "" if self.metallb == NEW else self.metallb
        return LabOptions(
            name=name,
            metallb=metallb,
            families=self.families,
            nics=self.nics,
            proxy=self.proxy,
            consumer=self.consumer,
        )

    def edit(self, clone: Clone) -> None:
        """Have the repository say what a lab of this kind is."""
        if self.families == "dual":
            renders_both_families(clone)

    def fits(self, where: Mapping[str, str | int]) -> bool:
        """Whether it has these properties."""
        return all(getattr(self, factor) == level for factor, level in where.items())


COMBINATIONS: tuple[Combination, ...] = (
    Combination(key="A"),
    Combination(key="B", metallb=OLD, login="token", families="dual"),
    Combination(key="C", metallb=OLD, login="token", nics=2, proxy="nftables"),
    Combination(key="D", metallb=OLD, families="dual", nics=2),
    Combination(key="E", login="token", proxy="nftables"),
    Combination(key="F", families="dual", nics=2, proxy="nftables"),
)
#: One more, for the faults of what serves at the edge: its faults are made nowhere else, and no others there.
WITH_TRAEFIK = Combination(key="T", consumer="traefik")
EVERY_KIND = (*COMBINATIONS, WITH_TRAEFIK)
#: Two of the six have every property between them.
OPPOSITES = (COMBINATIONS[3], COMBINATIONS[4])


class Placed(Protocol):
    """A fault, or a healthy set-up: `where` are the properties that a cluster must have for it."""

    @property
    def where(self) -> Mapping[str, str | int]: ...


_Placed = TypeVar("_Placed", bound=Placed)


def uncovered(made: Iterable[Combination] = COMBINATIONS) -> list[str]:
    """The pairs of properties that no combination has together."""
    kinds = list(made)
    return [
        f"{first}={one} with {second}={other}"
        for first, second in combinations(FACTORS, 2)
        for one, other in product(FACTORS[first], FACTORS[second])
        if not any(each.fits({first: one, second: other}) for each in kinds)
    ]


def spread(things: Sequence[_Placed], *, turn: int = 0) -> list[tuple[Combination, _Placed]]:
    """Each thing with one combination that it fits, one after the other; another `turn` gives each the next one."""
    found = []
    for place, thing in enumerate(things):
        fitting = [each for each in COMBINATIONS if each.fits(thing.where)]
        found.append((fitting[(place + turn) % len(fitting)], thing))
    return found


def kinds_for(thing: Placed, *, everywhere: bool = False) -> list[Combination]:
    """The combinations that a healthy set-up is made on: those that have everything between them, or every one."""
    fitting = [each for each in COMBINATIONS if each.fits(thing.where)]
    return fitting if everywhere else [each for each in fitting if each in OPPOSITES] or fitting[:1]


def renders_both_families(clone: Clone) -> None:
    """The lab's overlay has a range of each family, and the documents say so; overlays that stand on it go."""
    for other, had in (("lab-dual", SIXES), ("lab-ipv6", SIXES)):
        shutil.rmtree(clone.root / "metallb" / "overlays" / other)
        recorded(clone, other, f"no more, and had {had}")
    clone.replace(CONFIG, r"(addresses:\n( +- )\S+\n)", rf"\g<1>\g<2>{SIXES}\n")
    clone.replace(
        PAGE,
        r"(\| lab \|[^\n]*\| metallb-pool \| )(\S+)( \|)",
        rf"\g<1>\g<2>, {SIXES}\g<3>",
    )
    recorded(clone, "lab", f"172.30.0.200-172.30.0.220, {SIXES}")
    entry = f"\n## {clone.today}\n\n- lab: traefik/traefik has 172.30.0.210 and fd00:172:30::210, for a test.\n\n## "
    clone.replace(CHANGELOG, r"\n## ", entry)
    clone.commit("Give the lab addresses of both families")


@contextmanager
def kubeconfig_for(lab: Lab, login: Login) -> Iterator[Path]:
    """A kubeconfig that logs in so as an administrator of the lab."""
    if login == "certificate":
        yield lab.kubeconfig
        return
    account = {"kind": "ServiceAccount", "metadata": {"name": "catalogue", "namespace": "kube-system"}}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "catalogue"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "cluster-admin",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "catalogue", "namespace": "kube-system"}],
    }
    both = {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", **account}, binding]}
    _kubectl(lab, "apply", "-f", "-", given=json.dumps(both))
    token = _kubectl(lab, "-n", "kube-system", "create", "token", "catalogue", "--duration=8h").strip()
    written = json.loads(lab.kubeconfig.read_text(encoding="utf-8"))
    for user in written["users"]:
        user["user"] = {"token": token}
    with TemporaryDirectory(prefix="login-") as folder:
        path = Path(folder, "kubeconfig")
        path.touch(mode=0o600)
        path.write_text(json.dumps(written), encoding="utf-8")
        yield path


def _kubectl(lab: Lab, *arguments: str, given: str = "") -> str:
    command = [str(lab.kubectl), "--kubeconfig", str(lab.kubeconfig), *arguments]
    return subprocess.run(command, input=given, check=True, capture_output=True, text=True, timeout=60).stdout
