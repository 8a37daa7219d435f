"""A site to judge: the example platform as a real git repository, and a cluster that runs what it renders."""

from __future__ import annotations

import copy
import shutil
import subprocess
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from clusters.api.errors import Forbidden, NotFound
from clusters.api.resources import Resource
from clusters.gitops import example, repository_collection
from clusters.gitops.kustomize import Kustomize
from clusters.gitops.repository_collection import Tools
from clusters.gitops.repository_snapshot import Layout, RepositorySnapshot
from clusters.observation.snapshot import Expectations, Objects, Snapshot, Status

Json = dict[str, Any]
EXAMPLE = Path(__file__).parents[3] / "examples" / "platform"
WRITTEN_FOR = date.fromisoformat((EXAMPLE / example.MARKER).read_text().strip())
LAYOUT = Layout(
    overlay="metallb/overlays/lab",
    base="metallb/base",
    legacy="metallb/legacy/prod",
    service_page="services/metallb.md",
    changelog="CHANGELOG.md",
    runbook="runbooks/metallb.md",
)
LAB_CONFIG = "metallb/overlays/lab/config.yaml"


@dataclass
class Cluster:
    """A cluster in memory, by (kind, name); `forbidden` are plurals that the login may not read."""

    objects: dict[tuple[str, str], Json] = field(default_factory=dict)
    forbidden: set[str] = field(default_factory=set)

    def get(self, res: Resource, name: str, namespace: str | None = None) -> Json:
        """One object, as `Api.get`."""
        if res.plural in self.forbidden:
            error = Forbidden(f"This login may not get {res.qualified}.", status=403)
            error.verb, error.resource = "get", res.qualified
            raise error
        if (res.kind, name) not in self.objects:
            raise NotFound(f"There is no {res.describe(name, namespace)}.", status=404)
        return copy.deepcopy(self.objects[res.kind, name])

    def kind(self, kind: str) -> Objects:
        """All objects of a kind, as an observation holds them."""
        found = tuple(copy.deepcopy(each) for (known, _), each in self.objects.items() if known == kind)
        return Objects(status=Status.OK, items=found)


@dataclass
class Site:
    """The repository at `root`, and the cluster that it configures."""

    root: Path
    kubectl: Path
    manifests: dict[str, Path]
    layout: Layout = LAYOUT
    cluster: Cluster = field(default_factory=Cluster)
    services: dict[str, str] = field(default_factory=lambda: {"traefik/traefik": "172.30.0.210"})
    expectations: Expectations = field(default_factory=Expectations)
    unchanged: RepositorySnapshot | None = None

    @classmethod
    def make(cls, target: Path, kubectl: Path, manifests: dict[str, Path]) -> Site:
        """The example platform in `target`, rolled out to a cluster."""
        site = cls(example.materialise(EXAMPLE, target, today=WRITTEN_FOR), kubectl, manifests)
        site.roll_out()
        site.unchanged = site.repository()
        return site

    def copied(self, target: Path) -> Site:
        """The same site once more, in another place."""
        shutil.copytree(self.root, target)
        cluster = Cluster(copy.deepcopy(self.cluster.objects))
        return replace(self, root=target, cluster=cluster, services=dict(self.services))

    def roll_out(self) -> None:
        """Make the cluster what the overlay renders now, with what servers and controllers add."""
        render = Kustomize(self.kubectl, self.manifests).render(self.root, self.layout.overlay)
        self.cluster.objects = {
            (each["kind"], each["metadata"]["name"]): lived(each) for each in render.objects
        }

    def git(self, *arguments: str) -> str:
        """Run git in the repository."""
        self.unchanged = None
        identity = (
            "-c",
            "user.name=A Person",
            "-c",
            "user.email=person@example.org",
            "-c",
            "commit.gpgSign=false",
        )
        return subprocess.run(
            ("git", *identity, *arguments), cwd=self.root, check=True, capture_output=True, text=True
        ).stdout

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        self.unchanged = None
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text in a file, which must be there."""
        text = (self.root / path).read_text(encoding="utf-8")
        assert old in text, f"{path} has no {old!r}"
        self.write(path, text.replace(old, new))

    def commit(self, subject: str = "Change something") -> str:
        """Commit everything; returns the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", subject)
        return self.git("rev-parse", "HEAD").strip()

    def repository(self, **layout: str) -> RepositorySnapshot:
        """Collect the repository; while nothing in it was changed, only what is live is read anew."""
        if self.unchanged is not None and not layout:
            objects = self.unchanged.intended.objects
            read = {
                "live": repository_collection.counterparts(self.cluster, objects),
                "schemas": repository_collection.schemas(self.cluster, objects),
            }
            return self.unchanged.model_copy(update=read)
        tools = Tools(kubectl=self.kubectl, manifests=self.manifests, reader=self.cluster)
        found = repository_collection.collect(self.root, self.layout.model_copy(update=layout), tools)
        return found.model_copy(update={"taken_at": f"{WRITTEN_FOR.isoformat()}T12:00:00Z"})

    def snapshot(self) -> Snapshot:
        """Observe the cluster."""
        none = Objects(status=Status.OK)
        return Snapshot(
            taken_at=f"{WRITTEN_FOR.isoformat()}T12:00:00Z",
            nodes=Objects(status=Status.OK, items=tuple(node(number) for number in (1, 2, 3))),
            deployments=self.cluster.kind("Deployment"),
            daemon_sets=self.cluster.kind("DaemonSet"),
            pods=Objects(status=Status.OK, items=tuple(self._pods())),
            services=Objects(
                status=Status.OK,
                items=tuple(service(name, address) for name, address in self.services.items()),
            ),
            ip_address_pools=self.cluster.kind("IPAddressPool"),
            l2_advertisements=self.cluster.kind("L2Advertisement"),
            bgp_advertisements=none,
            bgp_peers=none,
            bfd_profiles=none,
            communities=none,
            custom_resource_definitions=self.cluster.kind("CustomResourceDefinition"),
            expectations=self.expectations,
        )

    def _pods(self) -> list[Json]:
        found = (
            each for (kind, _), each in self.cluster.objects.items() if kind in {"Deployment", "DaemonSet"}
        )
        return [
            {
                "metadata": {"name": f"{each['metadata']['name']}-1", **each["spec"]["template"]["metadata"]},
                "spec": copy.deepcopy(each["spec"]["template"]["spec"]),
                "status": {"phase": "Running"},
            }
            for each in found
        ]

    def expect(self, **expectations: Any) -> None:
        """What the profile expects."""
        self.expectations = replace(self.expectations, **expectations)


def lived(rendered: Json) -> Json:
    """A rendered object as the API server gives it: with identity, defaults, and what controllers write."""
    found = copy.deepcopy(rendered)
    found["metadata"] |= {
        "uid": "1",
        "resourceVersion": "7",
        "generation": 2,
        "managedFields": [{"manager": "x"}],
    }
    found["status"] = {"observedGeneration": 2}
    if found["kind"] in {"Deployment", "DaemonSet"}:
        spec = found["spec"]["template"]["spec"]
        spec |= {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst"}
        for container in spec["containers"]:
            container["terminationMessagePath"] = "/dev/termination-log"
            for port in container["ports"]:
                port.setdefault("protocol", "TCP")
    if found["kind"] == "IPAddressPool":
        found["spec"].setdefault("autoAssign", True)
    for webhook in found.get("webhooks", ()):
        webhook["clientConfig"]["caBundle"] = "written by the controller"
    return found


def service(name: str, address: str) -> Json:
    """A LoadBalancer service that holds an address, or none."""
    namespace, _, short = name.partition("/")
    ingress = [{"ip": address}] if address else []
    return {
        "metadata": {"namespace": namespace, "name": short},
        "spec": {"type": "LoadBalancer"},
        "status": {"loadBalancer": {"ingress": ingress}},
    }


def node(number: int) -> Json:
    """A node of the lab's network."""
    return {
        "metadata": {"name": f"n{number}"},
        "status": {"addresses": [{"type": "InternalIP", "address": f"172.30.0.{10 + number}"}]},
    }
