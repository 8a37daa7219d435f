"""Rules about what an upgrade brings along: definitions, roles, Helm values, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from clusters.cause_ids import CauseId
from clusters.errors import Inconclusive
from clusters.gitops import revisions
from clusters.gitops.findings import known
from clusters.gitops.repository_snapshot import usable
from clusters.metallb import versions
from clusters.metallb.versions import Feature
from clusters.objects import Object, spec_of, status_of
from clusters.observation.snapshot import Objects, Snapshot
from clusters.subject import CLUSTER, Subject
from clusters.upgrade.rule import Rule, Sighting, Situation

_NOTES = "MetalLB's release notes"
_GROUP = "metallb.io"
_CRDS = "kubectl get crds | grep metallb.io"
#: Kinds that people write, by the snapshot's field, with the version that they are read in.
_KINDS = {
    "ip_address_pools": ("IPAddressPool", "v1beta1"),
    "l2_advertisements": ("L2Advertisement", "v1beta1"),
    "bgp_advertisements": ("BGPAdvertisement", "v1beta1"),
    "bgp_peers": ("BGPPeer", "v1beta2"),
    "bfd_profiles": ("BFDProfile", "v1beta1"),
    "communities": ("Community", "v1beta1"),
}
_ABSENT = object()


def _definitions(situation: Situation) -> Iterator[Sighting]:
    """Definitions that the target needs and the cluster lacks; it stops where what will be applied lacks them too."""
    installed = {each["metadata"]["name"] for each in _installed(situation.snapshot)}
    wanted = {
        name for name, feature in versions.DEFINITIONS.items() if versions.supports(situation.target, feature)
    }
    lacking = sorted(wanted - installed)
    applied = situation.applied
    brought = {_name(each) for each in applied.objects} if applied and applied.complete else None
    for name in lacking:
        if brought is None:
            yield Sighting(
                subject=CLUSTER, summary=f"The definition {name} is not installed yet.", stops=False
            )
        elif name not in brought and applied is not None:
            yield Sighting(
                subject=Subject("overlay", applied.overlay),
                summary=f"The definition {name} is not installed, and the overlay does not bring it.",
            )


def _roles(situation: Situation) -> Iterator[Sighting]:
    """MetalLB's own roles, as they will be, without what the target asks for."""
    if not versions.supports(situation.target, Feature.CONFIGURATION_STATE):
        return
    applied = situation.applied
    if applied and applied.complete:
        rendered = [each for each in applied.objects if each["kind"] == "ClusterRole"]
        if not _may_write_states(rendered):
            yield Sighting(
                subject=Subject("overlay", applied.overlay),
                summary="No ClusterRole in the overlay may write configurationstates.metallb.io.",
            )
    elif not _may_write_states(known(situation.snapshot.cluster_roles, "cluster roles")):
        yield Sighting(
            subject=CLUSTER,
            summary="No ClusterRole may write configurationstates.metallb.io yet.",
            stops=False,
        )


def _may_write_states(roles: Any) -> bool:
    return any(
        "configurationstates" in rule.get("resources", ()) and {"*", "create"} & set(rule.get("verbs", ()))
        for role in roles
        for rule in role.get("rules") or ()
        if _GROUP in rule.get("apiGroups", ())
    )


def _objects(situation: Situation) -> Iterator[Sighting]:
    """Live objects that the target's definitions would not take."""
    schemas = _schemas(situation)
    for field, (kind, version) in _KINDS.items():
        part: Objects = getattr(situation.snapshot, field)
        for found in known(part, f"{kind}s"):
            about = found["metadata"]
            subject = Subject(kind, about["name"], namespace=about.get("namespace", ""))
            schema = schemas.get((kind, version))
            if schema is None:
                yield Sighting(
                    subject=subject,
                    summary=f"{subject} is of version {version}, which {situation.target} does not serve.",
                )
                continue
            whole = {"apiVersion": f"{_GROUP}/{version}", "kind": kind, "metadata": {"name": about["name"]}}
            errors = Draft202012Validator(schema).iter_errors(whole | {"spec": spec_of(found)})
            lines = tuple(sorted(revisions.said(error) for error in errors))
            if lines:
                yield Sighting(
                    subject=subject,
                    summary=f"{subject} is not valid by the definition of {situation.target}: {lines[0]}.",
                    lines=lines,
                )


def _schemas(situation: Situation) -> Mapping[tuple[str, str], Any]:
    return {
        (definition["spec"]["names"]["kind"], version["name"]): revisions.json_schema(
            version["schema"]["openAPIV3Schema"]
        )
        for definition in situation.release("CustomResourceDefinition").values()
        if definition["spec"].get("group") == _GROUP
        for version in definition["spec"]["versions"]
        if version.get("served")
    }


def _stored(situation: Situation) -> Iterator[Sighting]:
    """Versions that objects are stored in and the target's definition no longer has."""
    target = situation.release("CustomResourceDefinition")
    for found in _installed(situation.snapshot):
        name = found["metadata"]["name"]
        if name not in target:
            continue
        has = {version["name"] for version in target[name]["spec"]["versions"]}
        for version in status_of(found).get("storedVersions") or ():
            if version not in has:
                yield Sighting(
                    subject=CLUSTER,
                    summary=f"Objects of {name} are stored as {version}, which {situation.target} lacks.",
                )


def _installed(snapshot: Snapshot) -> list[Object]:
    found = known(snapshot.custom_resource_definitions, "resource definitions")
    return [each for each in found if each["metadata"]["name"].endswith(f".{_GROUP}")]


def _name(found: Object) -> str:
    return str(found["metadata"]["name"])


def _values(judge: Callable[[Object], Iterator[Sighting]]) -> Callable[[Situation], Iterator[Sighting]]:
    """A look at the Helm values; Inconclusive where Helm installed MetalLB and nobody named them."""

    def look(situation: Situation) -> Iterator[Sighting]:
        if situation.values is not None:
            yield from judge(situation.values)
        elif situation.helm:
            raise Inconclusive(
                "Helm installed MetalLB, and the values of the upgrade were not named.",
                remedy="Keep them with helm get values, and name the file with --helm-values.",
            )

    return look


def _value(values: Object, path: str) -> Any:
    found: Any = values
    for step in path.split("."):
        found = found.get(step, _ABSENT) if isinstance(found, dict) else _ABSENT
    return found


def _sees(path: str, summary: str) -> Sighting:
    return Sighting(subject=Subject("value", path), summary=summary)


def _config_inline(values: Object) -> Iterator[Sighting]:
    if _value(values, "configInline") not in (_ABSENT, None, {}):
        yield _sees("configInline", "The values hold the configuration in configInline.")


def _frr_k8s(values: Object) -> Iterator[Sighting]:
    if _value(values, "frrk8s.enabled") is False:
        return
    if _value(values, "frr-k8s.enabled") is False:
        yield _sees(
            "frr-k8s.enabled", "The values switch frr-k8s off by frr-k8s.enabled, which nothing reads."
        )
    elif _value(values, "speaker.frr.enabled") is True:
        yield _sees("speaker.frr.enabled", "The values switch FRR on, and do not switch frr-k8s off.")
    else:
        yield Sighting(
            subject=Subject("value", "frrk8s.enabled"),
            summary="The values do not set frrk8s.enabled.",
            stops=False,
        )


def _crds_off(values: Object) -> Iterator[Sighting]:
    if _value(values, "crds.enabled") is False:
        yield _sees("crds.enabled", "The values switch the definitions off (crds.enabled).")


def _way_back(situation: Situation) -> Iterator[Sighting]:
    """What would be applied to go back: the revision before, where the overlay has the target already."""
    repository = situation.repository
    if repository is None:
        yield Sighting(
            subject=CLUSTER,
            summary="The profile names no GitOps repository with the manifests that run now.",
            stops=False,
        )
    elif situation.applied is not None:
        for finding in revisions.previous_renders(repository):
            yield Sighting(subject=finding.subject, summary=finding.summary, lines=finding.evidence)
    else:
        usable(repository.intended)


RULES = (
    Rule(
        id="definitions",
        condition="a definition that the target needs is not installed",
        consequence="With new images and old definitions the speakers crash again and again.",
        remedy="Apply the target's whole manifest, its definitions before its images.",
        commands=(_CRDS, "kubectl apply --server-side -f {file}"),
        source=f"{_NOTES} of 0.14.2, 0.15.0 and 0.15.3; microk8s-core-addons issue 404",
        cause=CauseId.CRD_OUTDATED,
        look=_definitions,
    ),
    Rule(
        id="roles",
        condition="no ClusterRole may write the resources that came with the target",
        consequence="With new images and old roles the speakers crash again and again.",
        remedy="Apply the target's whole manifest, its roles before its images.",
        commands=("kubectl get clusterroles | grep metallb",),
        source=f"{_NOTES} of 0.15.3; the manifests of 0.15.2 and 0.16.2",
        cause=CauseId.ROLE_OUTDATED,
        look=_roles,
    ),
    Rule(
        id="objects-valid",
        condition="a live object is not valid by the target's definitions",
        consequence="It cannot be changed any more, and the new version may not read it.",
        remedy="Correct the object first.",
        commands=("kubectl -n {metallb_namespace} get ipaddresspools,l2advertisements,bgppeers -o yaml",),
        source="the definitions of the target's release",
        cause=CauseId.OBJECT_NOT_ACCEPTED,
        look=_objects,
    ),
    Rule(
        id="stored-versions",
        condition="objects are stored in a version that the target's definition lacks",
        consequence="The API server refuses the new definition.",
        remedy="Write these objects once in the newer version, and take the old one out of status.storedVersions.",
        commands=(_CRDS, "kubectl get crd {name} -o jsonpath={{.status.storedVersions}}"),
        source="Kubernetes' documentation of versions in custom resource definitions",
        cause=CauseId.OBJECT_NOT_ACCEPTED,
        look=_stored,
    ),
    Rule(
        id="values-config-inline",
        target=">=0.13.2",
        condition="the Helm values hold configInline",
        consequence="The chart refuses to render since 0.13.",
        remedy="Write the configuration as resources, and take it out of the values.",
        commands=("helm get values metallb -n {metallb_namespace}",),
        source=f"{_NOTES} of 0.13.2; the chart of 0.16.2",
        cause=CauseId.VALUES_OUTDATED,
        look=_values(_config_inline),
    ),
    Rule(
        id="values-frr-k8s",
        target=">=0.16.0",
        condition="the Helm values leave frr-k8s on, or switch it off by a key that nothing reads",
        consequence="From 0.16.0 on the chart brings frr-k8s, one more DaemonSet, unless frrk8s.enabled is false.",
        remedy="Set frrk8s.enabled to false where MetalLB announces in layer 2 only.",
        commands=("helm get values metallb -n {metallb_namespace}",),
        source=f"{_NOTES} of 0.16.0; the chart of 0.16.2; issue 3053",
        cause=CauseId.VALUES_OUTDATED,
        look=_values(_frr_k8s),
    ),
    Rule(
        id="values-crds",
        condition="the Helm values switch the definitions off",
        consequence="Helm deletes the definitions that it had installed, and with them every pool.",
        remedy="Leave crds.enabled on, and keep a copy of all resources.",
        commands=(
            "kubectl get ipaddresspools,l2advertisements,bgppeers -A -o yaml > metallb-resources.yaml",
        ),
        source="the chart of 0.16.2: the definitions are templates of a subchart",
        cause=CauseId.VALUES_OUTDATED,
        look=_values(_crds_off),
    ),
    Rule(
        id="way-back",
        condition="what runs now cannot be applied again",
        consequence="If the upgrade fails there is nothing to go back to.",
        remedy="Keep the manifests that run now, and a copy of all of MetalLB's resources.",
        commands=(
            "kubectl get ipaddresspools,l2advertisements,bgppeers -A -o yaml > metallb-resources.yaml",
        ),
        source="rollback.previous-renders",
        cause=CauseId.NO_WAY_BACK,
        look=_way_back,
    ),
)
