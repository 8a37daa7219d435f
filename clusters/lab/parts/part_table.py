"""Every part of the lab that is built with Go, as data: where it is pinned, and what is made of it.

The versions stand in `modules/<module>/go.mod`, and the checksums of all downloads in the go.sum beside it. This
table repeats only those that the lab has to name (image tags, a version stamped into a binary), and a test
compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clusters.metallb import versions

MODULES = Path(__file__).parent / "modules"

KUBERNETES = "v1.35.4"
METRICS_SERVER = "v0.9.0"
TRAEFIK = "v3.7.13"
SUPPORTED_METALLB = versions.IN_THE_LAB


@dataclass(frozen=True)
class Carried:
    """Files of a module that are kept beside what is built from it: `files` is a glob, `folder` where to."""

    module: str
    files: str
    folder: str


@dataclass(frozen=True)
class StandIn:
    """A module that a part's go.mod replaces by a folder of its own, because not every module proxy has all of it.

    `folder` is that folder. What lies there is completed by the files of `copied` (`path@version`, whose sum is `sum`)
    that one of the globs `kept` names, tests aside; where both have a file, the folder's stays.
    """

    folder: str
    copied: str = ""
    sum: str = ""
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """One thing that is built, cached and shown as a whole.

    `outputs` maps the name of each binary to the Go package it is the main program of; `ldflags` are added to
    those of every part. `needs` is a module as `path@version` that the sums name and not every module proxy has;
    `clusters.lab.parts.substitute` says what happens where it is missing, and what `stand_ins` are. `modules` is the
    folder of the folder with its go.mod and go.sum.
    """

    name: str
    module: str
    outputs: Mapping[str, str]
    ldflags: tuple[str, ...] = ()
    carried: tuple[Carried, ...] = ()
    needs: str = ""
    stand_ins: tuple[StandIn, ...] = ()
    modules: Path = MODULES

    @property
    def source(self) -> Path:
        """The folder of the part's go.mod and go.sum."""
        return self.modules / self.module


def _kubernetes_stamp() -> tuple[str, ...]:
    _, minor, _ = KUBERNETES.split(".")
    fields = {"gitVersion": KUBERNETES, "gitMajor": "1", "gitMinor": minor, "gitTreeState": "clean"}
    component = [f"-X k8s.io/component-base/version.{name}={value}" for name, value in fields.items()]
    del fields["gitTreeState"]
    client = [f"-X k8s.io/client-go/pkg/version.{name}={value}" for name, value in fields.items()]
    return (*component, *client)


def kubernetes(name: str) -> Part:
    """A program of Kubernetes itself, by the name of its folder."""
    folder = "test/images" if name == "agnhost" else "cmd"
    return Part(name, "kubernetes", {name: f"k8s.io/kubernetes/{folder}/{name}"}, ldflags=_kubernetes_stamp())


#: By version, a module that MetalLB needs and that not every module proxy has.
_METALLB_NEEDS = {"0.16.2": "github.com/metallb/frr-k8s@v0.0.27"}


def _metallb(version: str) -> Part:
    module = "go.universe.tf/metallb"
    return Part(
        f"metallb-{version}",
        f"metallb-{version}",
        {name: f"{module}/{name}" for name in ("controller", "speaker")},
        carried=(
            Carried(module, "config/manifests/*.yaml", "manifests"),
            Carried(module, "config/crd/bases/*.yaml", "crds"),
        ),
        needs=_METALLB_NEEDS.get(version, ""),
    )


_CONTAINERD = "github.com/containerd/containerd/v2/cmd"
_CNI = "github.com/containernetworking/plugins/plugins"
_METRICS_SERVER = "sigs.k8s.io/metrics-server"

PARTS: tuple[Part, ...] = (
    *map(
        kubernetes,
        (
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kube-proxy",
            "kubelet",
            "kubectl",
            "agnhost",
        ),
    ),
    Part("etcd", "etcd", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Part(
        "containerd",
        "containerd",
        {name: f"{_CONTAINERD}/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")},
    ),
    Part(
        "cni",
        "cni",
        {
            "host-local": f"{_CNI}/ipam/host-local",
            "loopback": f"{_CNI}/main/loopback",
            "ptp": f"{_CNI}/main/ptp",
            "portmap": f"{_CNI}/meta/portmap",
        },
    ),
    Part("pause", "pause", {"pause": "lab.invalid/pause"}),
    *map(_metallb, SUPPORTED_METALLB),
    Part(
        "metrics-server",
        "metrics-server",
        {"metrics-server": f"{_METRICS_SERVER}/cmd/metrics-server"},
        ldflags=(f"-X k8s.io/client-go/pkg/version.gitVersion={METRICS_SERVER}",),
        carried=(Carried(_METRICS_SERVER, "manifests/base/*.yaml", "manifests"),),
    ),
)

_TRAEFIK = "github.com/traefik/traefik/v3"
_TRAEFIK_REFERENCE = "docs/content/reference/dynamic-configuration"
_LEGO = (
    *("acme", "certcrypto", "certificate", "challenge", "lego", "log", "platform", "registration"),
    *(f"internal/{name}" for name in ("dnspersist", "errutils", "ptr", "useragent", "wait")),
)

#: Parts by the name of what asks for them; nothing else makes these.
EXTRAS: Mapping[str, tuple[Part, ...]] = {
    # Renders charts of a GitOps repository (clusters/gitops/helm.py); no lab runs it.
    "helm": (Part("helm", "helm", {"helm": "helm.sh/helm/v3/cmd/helm"}),),
    "traefik": (
        Part(
            "traefik",
            "traefik",
            {"traefik": f"{_TRAEFIK}/cmd/traefik"},
            ldflags=(f"-X {_TRAEFIK}/pkg/version.Version={TRAEFIK.removeprefix('v')}",),
            carried=(
                Carried(_TRAEFIK, f"{_TRAEFIK_REFERENCE}/kubernetes-crd-definition-v1.yml", "manifests"),
                Carried(_TRAEFIK, f"{_TRAEFIK_REFERENCE}/kubernetes-crd-rbac.yml", "manifests"),
            ),
            stand_ins=(
                StandIn("stand-ins/dynamic-ext"),
                StandIn(
                    "stand-ins/go-http-auth",
                    "github.com/abbot/go-http-auth@v0.4.0",
                    "h1:QjmvZ5gSC7jm3Zg54DqWE/T5m1t2AfDu6QlXJT0EVT0=",
                    kept=("*.go",),
                ),
                StandIn(
                    "stand-ins/lego",
                    "github.com/go-acme/lego/v5@v5.4.1",
                    "h1:Jt6xAP9xQrJ3SLLGgxejfDDd3pzdrmuLCWe4oTqHHQc=",
                    kept=tuple(f"{name}/**/*.go" for name in _LEGO),
                ),
            ),
        ),
    ),
}


@dataclass(frozen=True)
class Image:
    """One image: a binary of a part in a file system of its own, under the name that the manifests use."""

    name: str
    reference: str
    part: str
    binary: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...] = ()
    user: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()


def _metallb_images(version: str) -> tuple[Image, ...]:
    return tuple(
        Image(
            f"metallb-{version}-{binary}",
            f"quay.io/metallb/{binary}:v{version}",
            f"metallb-{version}",
            binary,
            (f"/{binary}",),
        )
        for binary in ("controller", "speaker")
    )


#: agnhost's tag is the VERSION file of its folder in the module. Any program that waits can be the
#: sandbox's; ours stands under the name that Kubernetes' own has.
IMAGES: tuple[Image, ...] = (
    *(image for version in SUPPORTED_METALLB for image in _metallb_images(version)),
    Image(
        "agnhost",
        "registry.k8s.io/e2e-test-images/agnhost:2.59",
        "agnhost",
        "agnhost",
        ("/agnhost",),
        command=("pause",),
        links={"agnhost-2": "agnhost"},
        folders=("uploads",),
        ports=("80", "8080", "8081", "9376", "5000"),
    ),
    Image("pause", "registry.k8s.io/pause:3.10", "pause", "pause", ("/pause",), user="65535:65535"),
    Image(
        "metrics-server",
        f"registry.k8s.io/metrics-server/metrics-server:{METRICS_SERVER}",
        "metrics-server",
        "metrics-server",
        ("/metrics-server",),
        user="65534",
    ),
)

#: The same for each of the extras.
EXTRA_IMAGES: Mapping[str, tuple[Image, ...]] = {
    "traefik": (
        Image(
            "traefik",
            f"docker.io/library/traefik:{TRAEFIK}",
            "traefik",
            "traefik",
            ("/traefik",),
            user="65532:65532",
        ),
    ),
}

ALL_PARTS: tuple[Part, ...] = (*PARTS, *(part for parts in EXTRAS.values() for part in parts))
ALL_IMAGES: tuple[Image, ...] = (*IMAGES, *(image for images in EXTRA_IMAGES.values() for image in images))
