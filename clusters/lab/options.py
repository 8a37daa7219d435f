"""What a lab is asked to be: its size, address families, kube-proxy mode and MetalLB version."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

from clusters.errors import UsageError

Families = Literal["ipv4", "ipv6", "dual"]
Proxy = Literal["iptables", "nftables"]
Install = Literal["manifest", "prometheus", "helm"]

DEFAULT_NAME = "lab"
MOST_NODES = 7
# Network namespaces, cgroups and unix sockets carry the name; a unix socket's path ends at 107 bytes.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?")


@dataclass(frozen=True)
class LabOptions:
    """One lab's settings, checked when they are made.

    `metallb` is a version without the `v`, or empty for the one that the overlay pins. `overlay` is a
    kustomize folder, or empty for the shipped one that fits `families`. `install` is what the overlay gets
    where it lacks it: nothing, the rights of MetalLB's -prometheus manifest, without which nobody reads the metrics of
    0.16, or its chart's names and rights.
    """

    name: str = DEFAULT_NAME
    nodes: int = 3
    families: Families = "ipv4"
    nics: int = 1
    proxy: Proxy = "iptables"
    metallb: str = ""
    install: Install = "manifest"
    overlay: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(
                f"The lab name {self.name!r} is not usable.",
                remedy="Use up to 20 lower-case letters, digits and inner dashes.",
            )
        _within("--nodes", self.nodes, (1, MOST_NODES))
        _within("--nics", self.nics, (1, 2))
        for option, value, known in (
            ("--families", self.families, get_args(Families)),
            ("--proxy", self.proxy, get_args(Proxy)),
            ("--install", self.install, get_args(Install)),
        ):
            if value not in known:
                raise UsageError(f"{option} is {value!r}.", remedy=f"It is one of {', '.join(known)}.")
        if self.overlay and not (Path(self.overlay) / "kustomization.yaml").is_file():
            raise UsageError(
                f"The overlay {self.overlay} has no kustomization.yaml.",
                remedy="Name a kustomize folder, for example examples/platform/metallb/overlays/lab.",
            )

    @property
    def ipv4(self) -> bool:
        """Whether nodes, pods and services have IPv4 addresses."""
        return self.families != "ipv6"

    @property
    def ipv6(self) -> bool:
        """Whether nodes, pods and services have IPv6 addresses."""
        return self.families != "ipv4"

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for the lab's state file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The reverse of `as_dict`; keys of a newer version are left out."""
        return replace(
            cls(), **{key: value for key, value in data.items() if key in cls.__dataclass_fields__}
        )


def _within(option: str, value: int, bounds: tuple[int, int]) -> None:
    if not bounds[0] <= value <= bounds[1]:
        raise UsageError(f"{option} is {value}.", remedy=f"It is from {bounds[0]} to {bounds[1]}.")
