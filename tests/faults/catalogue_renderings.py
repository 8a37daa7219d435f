"""What the example platform is made to say, where a cluster is another than the one that it was written for."""

from __future__ import annotations

import shutil

from tests.faults.catalogue_clone import Clone
from tests.faults.catalogue_repository import PAGE, recorded
from tests.faults.catalogue_site import SIXES
from tests.faults.catalogue_stage import NAMESPACE

OVERLAY = "metallb/overlays/lab"
EDGE, SPARE = "edge", "172.30.0.230-172.30.0.232"
#: The label of nodes that speakers are kept to.
ANNOUNCES = "example.org/announces"


def renders(
    clone: Clone, *addresses: str, advertised: str = "L2Advertisement", spec: str = "", more: str = ""
) -> None:
    """The overlay has a second pool, given on request, and the documents say so.

    `advertised` is what announces it, with more of its `spec`, and `more` are further objects, as YAML.
    """
    listed = "".join(f"    - {each}\n" for each in addresses)
    text = (
        f"---\napiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata:\n  name: {EDGE}\n"
        f"  namespace: {NAMESPACE}\nspec:\n  autoAssign: false\n  addresses:\n{listed}"
        f"---\napiVersion: metallb.io/v1beta1\nkind: {advertised}\nmetadata:\n  name: {EDGE}\n"
        f"  namespace: {NAMESPACE}\nspec:\n  ipAddressPools: [{EDGE}]\n{spec}{more}"
    )
    for other in ("lab-dual", "lab-ipv6"):  # they stand on the lab's, and would have it too
        if (clone.root / "metallb/overlays" / other).is_dir():
            shutil.rmtree(clone.root / "metallb/overlays" / other)
            recorded(clone, other, f"no more, and had {SIXES}")
    appended(clone, text)
    ranges = ", ".join(addresses)
    row = f"| lab | {OVERLAY} | 172.30.0.0/24 | 172.30.0.1 | {EDGE} | {ranges} | 0.16.2 |\n"
    clone.replace(PAGE, r"(\| local \|)", rf"{row}\g<1>")
    recorded(clone, "lab", ranges)
    clone.commit("Give the lab a second pool")


def appended(clone: Clone, text: str) -> None:
    """More objects in the overlay's own file, as YAML."""
    config = f"{OVERLAY}/config.yaml"
    clone.write(config, (clone.root / config).read_text(encoding="utf-8") + text)


def renders_spare(clone: Clone) -> None:
    renders(clone, SPARE)


def renders_one(clone: Clone) -> None:
    renders(clone, "172.30.0.231/32")


def renders_both(clone: Clone) -> None:
    renders(clone, SPARE, "fd00:172:30::230-fd00:172:30::232")


def renders_selector(clone: Clone) -> None:
    """The overlay puts speakers on labelled nodes only."""
    patch = '- op: add\n  path: /spec/template/spec/nodeSelector/example.org~1announces\n  value: "yes"\n'
    clone.write(f"{OVERLAY}/announcers.yaml", patch)
    clone.replace(
        f"{OVERLAY}/kustomization.yaml",
        r"\npatches:\n",
        "\npatches:\n  - path: announcers.yaml\n    target: {kind: DaemonSet, name: speaker}\n",
    )
    clone.commit("Let two of three nodes announce")


def renders_chart_names(clone: Clone) -> None:
    """The overlay gives MetalLB the names of its Helm chart: over a folder of its own with all the rest."""
    settings, probes = (f"{OVERLAY}/{name}" for name in ("kustomization.yaml", "quick-probes.yaml"))
    (clone.root / OVERLAY / "plain").mkdir()
    plain = (clone.root / settings).read_text(encoding="utf-8").replace("../../", "../../../")
    clone.write(f"{OVERLAY}/plain/kustomization.yaml", plain.replace("  - config.yaml\n", ""))
    (clone.root / probes).rename(clone.root / OVERLAY / "plain" / "quick-probes.yaml")
    clone.write(settings, "resources: [plain, config.yaml]\ncomponents: [../../components/helm-names]\n")
    clone.commit("Name MetalLB as its chart does")


def renders_later(clone: Clone) -> None:
    """The overlay has the advertisement for nodes to come."""
    more = (
        "---\napiVersion: metallb.io/v1beta1\nkind: L2Advertisement\nmetadata:\n  name: later\n"
        f"  namespace: {NAMESPACE}\nspec:\n  ipAddressPools: [metallb-pool]\n"
        "  nodeSelectors:\n    - matchLabels: {example.org/zone: later}\n"
    )
    appended(clone, more)
    clone.commit("Advertise from the nodes of the next zone")


def renders_no_speaker(clone: Clone) -> None:
    """The overlay takes the speakers and the advertisement away."""
    gone = (
        "\npatches:\n  - patch: |-\n      $patch: delete\n      apiVersion: apps/v1\n      kind: DaemonSet\n"
        f"      metadata:\n        name: speaker\n        namespace: {NAMESPACE}\n"
    )
    clone.replace(f"{OVERLAY}/kustomization.yaml", r"\npatches:\n", gone)
    config = f"{OVERLAY}/config.yaml"
    clone.write(config, (clone.root / config).read_text(encoding="utf-8").partition("---\n")[0])
    clone.commit("Let the network announce")
