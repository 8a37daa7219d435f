"""Causes in MetalLB's own parts and under them: controller, speakers, memberlist, webhook, API server."""

from __future__ import annotations

from clusters.checks.causes.cause import Cause
from clusters.checks.outcome import Scope

_PODS = "kubectl -n {metallb_namespace} get pods -o wide"
_DESCRIBE_CONTROLLER = "kubectl -n {metallb_namespace} describe {controller}"
_DESCRIBE_SPEAKER = "kubectl -n {metallb_namespace} describe {speaker}"
_CONTROLLER_LOG = "kubectl -n {metallb_namespace} logs {controller} --tail=200"
_SPEAKER_LOG = "kubectl -n {metallb_namespace} logs {speaker} --tail=200"
_RESTART_SPEAKERS = "kubectl -n {metallb_namespace} rollout restart {speaker}"
_RESTART_CONTROLLER = "kubectl -n {metallb_namespace} rollout restart {controller}"

CAUSES = (
    Cause(
        id="controller-down",
        title="The controller is not running",
        meaning="Without the controller no service gets an address and no configuration is accepted.",
        remedy="See why its pod is not ready and mend that; addresses already assigned keep working.",
        commands=(
            _PODS,
            _DESCRIBE_CONTROLLER,
            "kubectl -n {metallb_namespace} get events --sort-by=.lastTimestamp",
        ),
        scope=Scope.CLUSTER,
    ),
    Cause(
        id="controller-crashing",
        title="The controller keeps crashing",
        meaning="The controller's container ends again and again, so addresses are assigned late or never.",
        remedy="Read why the last container ended and undo the change that brought it.",
        commands=(
            _PODS,
            "kubectl -n {metallb_namespace} logs {controller} --previous --tail=50",
            "kubectl -n {metallb_namespace} rollout undo {controller}",
        ),
        scope=Scope.CLUSTER,
    ),
    Cause(
        id="controller-cpu-bound",
        title="The controller is short of CPU",
        meaning="The controller uses its CPU limit up or is throttled by it, so it falls behind.",
        remedy="Raise or remove the controller's CPU limit in the overlay.",
        commands=(
            "kubectl -n {metallb_namespace} top pod",
            _DESCRIBE_CONTROLLER,
            "kubectl -n {metallb_namespace} set resources {controller} --limits=cpu=500m",
        ),
        scope=Scope.CLUSTER,
    ),
    Cause(
        id="speaker-down",
        title="A speaker is not ready",
        meaning=(
            "A speaker's pod exists on the node but does not run or is not ready, so it may not announce."
        ),
        remedy="See why the pod is not ready; deleting it lets the DaemonSet start it anew.",
        commands=(_PODS, _DESCRIBE_SPEAKER, "kubectl -n {metallb_namespace} delete pod <speaker pod>"),
        scope=Scope.CLUSTER,
    ),
    Cause(
        id="speaker-crashing",
        title="A speaker keeps crashing",
        meaning="A speaker's container ends again and again, and its addresses move with each end and start.",
        remedy="Read why the last container ended and undo the change that brought it.",
        commands=(
            _PODS,
            "kubectl -n {metallb_namespace} logs <speaker pod> --previous --tail=50",
            "kubectl -n {metallb_namespace} rollout undo {speaker}",
        ),
        scope=Scope.CLUSTER,
    ),
    Cause(
        id="speaker-unschedulable",
        title="A speaker cannot be scheduled",
        meaning=(
            "The DaemonSet wants a speaker on the node, but a taint or a lack of resources keeps it away."
        ),
        remedy="Tolerate the taint in the overlay, or free the resources that the pod asks for.",
        commands=(
            "kubectl -n {metallb_namespace} get pods --field-selector status.phase=Pending",
            "kubectl describe node {node} | grep -A8 -E 'Taints|Allocated'",
            _DESCRIBE_SPEAKER,
        ),
        scope=Scope.CLUSTER,
    ),
    Cause(
        id="speaker-missing-on-node",
        title="A node that should announce has no speaker",
        meaning="No speaker runs on the node: the DaemonSet's selector leaves it out, or its pod is gone.",
        remedy="Label the node as the DaemonSet selects, or tolerate the taint that sent the speaker away.",
        commands=(
            _PODS,
            "kubectl -n {metallb_namespace} get {speaker} -o jsonpath='{{.spec.template.spec.nodeSelector}}'",
            "kubectl get node {node} --show-labels",
        ),
        scope=Scope.CLUSTER,
    ),
    Cause(
        id="node-not-ready",
        title="The node is not ready",
        meaning=(
            "The kubelet does not report; MetalLB's election does not look at this, so the address may stay "
            "there."
        ),
        remedy="Bring the node back, or exclude it from load balancing so that its addresses move now.",
        commands=(
            "kubectl describe node {node}",
            "kubectl label node {node} node.kubernetes.io/exclude-from-external-load-balancers=true",
        ),
        scope=Scope.CLUSTER,
    ),
    Cause(
        id="memberlist-partition",
        title="The speakers do not see each other",
        meaning="Memberlist traffic between nodes is cut, so each side elects announcers of its own.",
        remedy="Open TCP and UDP port 7946 between all nodes.",
        commands=(
            "kubectl -n {metallb_namespace} logs {speaker} --tail=500 | grep -E 'Suspect|partial join'",
            "nc -zv <other node's address> 7946",
            "nc -zvu <other node's address> 7946",
        ),
        scope=Scope.CLUSTER,
    ),
    Cause(
        id="memberlist-key-mismatch",
        title="The speakers use different memberlist keys",
        meaning="A speaker cannot decrypt another's messages: the secret changed, or versions are mixed.",
        remedy="Restart all speakers so that they read one secret and run one version.",
        commands=(
            "kubectl -n {metallb_namespace} logs {speaker} --tail=500 | grep -iE 'decrypt|encrypt'",
            "kubectl -n {metallb_namespace} get pods -o jsonpath='{{..image}}'",
            _RESTART_SPEAKERS,
        ),
        scope=Scope.CLUSTER,
    ),
    Cause(
        id="memberlist-disabled",
        title="Dead nodes are not noticed",
        meaning="Memberlist is off, so every node counts as announcing and a dead node keeps its addresses.",
        remedy=(
            "Set METALLB_ML_BIND_ADDR and METALLB_ML_LABELS on the speakers, as the shipped manifest does."
        ),
        commands=(
            "kubectl -n {metallb_namespace} get {speaker} -o yaml | grep METALLB_ML_",
            "kubectl -n {metallb_namespace} edit {speaker}",
        ),
        scope=Scope.CLUSTER,
    ),
    Cause(
        id="memberlist-secret-missing",
        title="The memberlist secret is missing",
        meaning="Speakers mount the secret that the controller creates, and cannot start without it.",
        remedy="Restart the controller, which creates the secret when it starts.",
        commands=(
            "kubectl -n {metallb_namespace} get secrets",
            _DESCRIBE_SPEAKER,
            _RESTART_CONTROLLER,
        ),
        scope=Scope.CLUSTER,
    ),
    Cause(
        id="webhook-unreachable",
        title="MetalLB's webhook cannot be reached",
        meaning=(
            "The API server cannot call the webhook, so every change of a pool or advertisement is refused."
        ),
        remedy="Bring the controller up and open its port 9443 to the API server.",
        commands=(
            "kubectl get validatingwebhookconfigurations -o wide | grep metallb",
            "kubectl -n {metallb_namespace} get endpointslices",
            _RESTART_CONTROLLER,
        ),
        scope=Scope.CLUSTER,
    ),
    Cause(
        id="config-rejected",
        title="MetalLB refuses its configuration",
        meaning=(
            "One bad object makes MetalLB refuse all changes and keep working with the last good "
            "configuration."
        ),
        remedy="Correct the object that the log or the ConfigurationState names.",
        commands=(
            "kubectl -n {metallb_namespace} logs {controller} --tail=200 | grep Reconciler | grep error",
            "kubectl -n {metallb_namespace} get configurationstates -o yaml",
            "kubectl -n {metallb_namespace} get ipaddresspools,l2advertisements -o yaml",
        ),
        scope=Scope.CLUSTER,
    ),
    Cause(
        id="api-unreachable",
        title="The API server cannot be reached",
        meaning="A component has no connection to the API server, so it goes on with what it last knew.",
        remedy="Mend the path from that node to the API server, or the API server itself.",
        commands=(
            "kubectl get --raw /readyz",
            "kubectl get nodes -o wide",
            _SPEAKER_LOG,
            _CONTROLLER_LOG,
        ),
        scope=Scope.CLUSTER,
    ),
    Cause(
        id="permission-missing",
        title="A permission is missing",
        meaning="The run, or a component of MetalLB, may not read or write what it needs.",
        remedy=(
            "Grant the missing verb and resource; for MetalLB, apply the manifests of the running version."
        ),
        commands=(
            "kubectl auth can-i {verb} {resource} {within} --as {account}",
            "kubectl get clusterrolebindings,rolebindings --all-namespaces -o wide | grep -i metallb",
        ),
        scope=Scope.CLUSTER,
    ),
    Cause(
        id="version-skew",
        title="Parts of MetalLB are of different versions",
        meaning="Controller, speakers, resource definitions and overlay are not of one version.",
        remedy="Finish or undo the upgrade so that all parts run the overlay's version.",
        commands=(
            "kubectl -n {metallb_namespace} get pods -o "
            "custom-columns=POD:.metadata.name,IMAGE:.spec.containers[0].image",
            "kubectl apply -k metallb/overlays/<overlay>",
        ),
        scope=Scope.CLUSTER,
    ),
    Cause(
        id="crd-outdated",
        title="MetalLB's resource definitions are outdated",
        meaning="The running version needs resource definitions, fields or roles that the cluster lacks.",
        remedy="Apply the resource definitions and roles of the running version.",
        commands=(
            "kubectl get crds | grep metallb.io",
            "kubectl apply -k metallb/overlays/<overlay>",
        ),
        scope=Scope.CLUSTER,
    ),
)
