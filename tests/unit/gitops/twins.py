"""The twins of the example repository: one cluster's overlay in every form that a repository keeps it in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clusters.gitops import argo_cd, flux
from clusters.gitops.forms import Published
from clusters.gitops.repository_snapshot import Layout

FOLLOWERS = (flux.deliverer_of, argo_cd.deliverer_of)
VALUES = "forms/helm-values/lab/values.yaml"
PUBLISHED = Published(
    name="metallb",
    repository="https://metallb.github.io/metallb",
    version="0.16.2",
    release="metallb",
    namespace="metallb-system",
    values=(VALUES,),
)


@dataclass(frozen=True)
class Form:
    """One twin: its overlay, the file in which its range stands, and what the profile says besides."""

    overlay: str
    config: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    helm: bool = False
    whole: bool = True

    def layout(self, of: Layout) -> Layout:
        """Where things are, for who looks at this twin alone."""
        twin = {"overlay": self.overlay, "top": "forms", "name": "lab", "base": "", "legacy": ""}
        return of.model_copy(update={**twin, **self.fields})


FORMS = {
    "kustomize, remote resource": Form(
        "forms/kustomize-remote/lab", "forms/kustomize-remote/lab/config.yaml"
    ),
    "kustomize, helmCharts": Form(
        "forms/kustomize-chart/lab", "forms/kustomize-chart/lab/config.yaml", helm=True
    ),
    "Helm values": Form(
        "forms/helm-values/lab", "forms/helm-values/lab/config.yaml", {"chart": PUBLISHED}, helm=True
    ),
    "Helm chart of one's own": Form("forms/helm-chart/lab", "forms/helm-chart/lab/values.yaml", helm=True),
    "Flux HelmRelease": Form(
        "forms/flux/clusters/lab", "forms/flux/clusters/lab/metallb.yaml", {"top": "forms/flux"}, helm=True
    ),
    "Flux Kustomization": Form("forms/flux-kustomize/lab.yaml", "forms/kustomize-remote/lab/config.yaml"),
    "Argo CD, chart and folder": Form("forms/argo-cd/lab.yaml", "forms/argo-cd/pools/config.yaml", helm=True),
    "Argo CD, kustomize": Form("forms/argo-cd-kustomize", "forms/kustomize-remote/lab/config.yaml"),
    "Argo CD ApplicationSet": Form(
        "forms/argo-cd-set/metallb.yaml",
        "forms/plain/lab/metallb/config.yaml",
        {"application": "metallb-lab"},
        whole=False,
    ),
    "plain manifests": Form(
        "forms/plain/lab/metallb",
        "forms/plain/lab/metallb/config.yaml",
        {"pattern": "forms/plain/*/metallb"},
        whole=False,
    ),
}
