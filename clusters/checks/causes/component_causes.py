"""Causes in MetalLB's own parts and under them: controller, speakers, memberlist, webhook, API server."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks.causes.cause import Cause, Effect, Layer
from clusters.checks.outcome import Scope
from clusters.checks.path_links import Link
from clusters.checks.spec import DAEMON_SETS, NODES, PODS, SERVICES

_PODS = "kubectl -n {metallb_namespace} get pods -o wide"
_DESCRIBE_CONTROLLER = "kubectl -n {metallb_namespace} describe {controller}"
_DESCRIBE_SPEAKER = "kubectl -n {metallb_namespace} describe {speaker}"
_CONTROLLER_LOG = "kubectl -n {metallb_namespace} logs {controller} --tail=200"
_SPEAKER_LOG = "kubectl -n {metallb_namespace} logs {speaker} --tail=200"
_RESTART_SPEAKERS = "kubectl -n {metallb_namespace} rollout restart {speaker}"
_RESTART_CONTROLLER = "kubectl -n {metallb_namespace} rollout restart {controller}"

CAUSES = (
    Cause(
        id=CauseId.CONTROLLER_DOWN,
        title="The controller is not running",
        meaning="Without the controller no service gets an address and no configuration is accepted.",
        remedy="Find out why its pod is not ready and fix that; addresses that are assigned keep working.",
        commands=(
            _PODS,
            _DESCRIBE_CONTROLLER,
            "kubectl -n {metallb_namespace} get events --sort-by=.lastTimestamp",
        ),
        scope=Scope.CLUSTER,
        link=Link.CONTROLLER,
        layer=Layer.METALLB,
        proven_by=(
            "There is no ready pod of the controller, or it leaves alone what by its own rules it would "
            "serve."
        ),
        excluded_by="A ready controller acts on services.",
        effects=frozenset({Effect.STOPS_CONTROLLER, Effect.CHANGES_ADDRESS, Effect.KEEPS_ADDRESS}),
        rank=62,
        narrowed_by_subject=False,
        reported_by=CheckId.HEALTH_PODS_READY,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.CONTROLLER_CRASHING,
        title="The controller keeps crashing",
        meaning="The controller's container keeps restarting, so addresses are assigned late or never.",
        remedy="Read why the last container ended, and revert the change that caused it.",
        commands=(
            _PODS,
            "kubectl -n {metallb_namespace} logs {controller} --previous --tail=50",
            "kubectl -n {metallb_namespace} rollout undo {controller}",
        ),
        scope=Scope.CLUSTER,
        link=Link.CONTROLLER,
        layer=Layer.METALLB,
        proven_by="The container's state or its restarts say that it ends again and again.",
        excluded_by="It has run since its last start for longer than a crash loop lets it.",
        effects=frozenset({Effect.STOPS_CONTROLLER, Effect.CHANGES_ADDRESS, Effect.KEEPS_ADDRESS}),
        rank=61,
        narrowed_by_subject=False,
        reported_by=CheckId.HEALTH_PODS_READY,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.CONTROLLER_DOUBLED,
        title="More than one controller assigns addresses",
        meaning=(
            "MetalLB's controller has no leader election: each replica, and each MetalLB of the same class, decides "
            "for itself, so two services may get the same address, or one may lose its own again and again."
        ),
        remedy="Run one replica, of one MetalLB for a class.",
        commands=(
            "kubectl -n {metallb_namespace} get {controller} -o wide",
            "kubectl -n {metallb_namespace} scale {controller} --replicas=1",
        ),
        scope=Scope.CLUSTER,
        link=Link.CONTROLLER,
        layer=Layer.METALLB,
        proven_by=(
            "The controller's Deployment asks for more than one replica, or a controller with the same --lb-class runs "
            "in another namespace."
        ),
        excluded_by="It asks for one, and every other MetalLB's controller has another class.",
        effects=frozenset({Effect.CHANGES_ADDRESS}),
        rank=65,
        narrowed_by_subject=False,
        reported_by=CheckId.HEALTH_PODS_READY,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.CONTROLLER_CPU_BOUND,
        title="The controller runs out of CPU",
        meaning=(
            "The controller uses all of its CPU limit and is throttled, or without a limit all that its node can give: "
            "it falls behind."
        ),
        remedy=(
            "Raise or remove the controller's CPU limit in the overlay; without one, see what keeps it busy, and let "
            "it run on a node with CPU to spare."
        ),
        commands=(
            "kubectl -n {metallb_namespace} top pod",
            _DESCRIBE_CONTROLLER,
            "kubectl -n {metallb_namespace} set resources {controller} --limits=cpu=500m",
        ),
        scope=Scope.CLUSTER,
        link=Link.CONTROLLER,
        layer=Layer.METALLB,
        proven_by="The metrics API says that the controller uses up its CPU limit, or without one its node's CPU.",
        excluded_by="It uses less, or there is no metrics API.",
        effects=frozenset({Effect.STOPS_CONTROLLER, Effect.KEEPS_ADDRESS, Effect.PODS_NOT_READY}),
        rank=60,
        narrowed_by_subject=False,
        reported_by=CheckId.SCALING_CONTROLLER_CPU,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.SPEAKER_DOWN,
        title="A speaker is not ready",
        meaning=(
            "The speaker's pod on the node does not run or is not ready, so the node may not announce anything."
        ),
        remedy="Find out why the pod is not ready; if it is deleted, the DaemonSet creates a new one.",
        commands=(_PODS, _DESCRIBE_SPEAKER, "kubectl -n {metallb_namespace} delete pod {pod}"),
        scope=Scope.CLUSTER,
        link=Link.ANNOUNCER,
        layer=Layer.METALLB,
        proven_by="The speaker's pod on the node is not running or not ready.",
        excluded_by="The pod is ready.",
        effects=frozenset({Effect.STOPS_SPEAKER, Effect.PREVENTS_TAKEOVER}),
        rank=55,
        narrowed_by_subject=False,
        reported_by=CheckId.HEALTH_PODS_READY,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.SPEAKER_CRASHING,
        title="A speaker keeps crashing",
        meaning="A speaker's container keeps restarting, and its addresses move each time.",
        remedy="Read why the last container ended, and revert the change that caused it.",
        commands=(
            _PODS,
            "kubectl -n {metallb_namespace} logs {pod} --previous --tail=50",
            "kubectl -n {metallb_namespace} rollout undo {speaker}",
        ),
        scope=Scope.CLUSTER,
        link=Link.ANNOUNCER,
        layer=Layer.METALLB,
        proven_by="The container's state or its restarts say that it ends again and again.",
        excluded_by="It has run since its last start for longer than a crash loop lets it.",
        effects=frozenset({Effect.STOPS_SPEAKER, Effect.PREVENTS_TAKEOVER}),
        rank=54,
        narrowed_by_subject=False,
        reported_by=CheckId.HEALTH_PODS_READY,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.SPEAKER_UNPRIVILEGED,
        title="A speaker may not open the sockets that it replies with",
        meaning=(
            "The speaker runs and is ready, and its node's kernel refuses it the raw sockets that ARP and NDP need: it "
            "can be elected, and then nobody replies for the address."
        ),
        remedy=(
            "Give the speaker's container the capability NET_RAW again: apply the manifests of the running version, "
            "and look for what takes it away (the namespace's Pod Security label, a security context constraint, a "
            "policy that rewrites pods)."
        ),
        commands=(
            "kubectl -n {metallb_namespace} get {speaker} -o "
            "jsonpath='{{.spec.template.spec.containers[*].securityContext}}'",
            "kubectl -n {metallb_namespace} logs {speaker} --since=1m | grep -i 'failed to create'",
            "kubectl -n {metallb_namespace} rollout undo {speaker}",
        ),
        scope=Scope.CLUSTER,
        link=Link.ANNOUNCER,
        layer=Layer.METALLB,
        proven_by="The speaker's log has the kernel's refusal of a socket, and goes on saying so.",
        excluded_by="Its log has no such line of the last half minute; interfaces are looked at every ten seconds.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.HEALTH_SPEAKER_LOG,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.SPEAKER_UNSCHEDULABLE,
        title="A speaker cannot be scheduled",
        meaning=("The DaemonSet wants a speaker on the node, but a taint or missing resources keep it away."),
        remedy="Tolerate the taint in the overlay, or free the resources that the pod asks for.",
        commands=(
            "kubectl -n {metallb_namespace} get pods --field-selector status.phase=Pending",
            "kubectl describe node {node} | grep -A8 -E 'Taints|Allocated'",
            _DESCRIBE_SPEAKER,
        ),
        scope=Scope.CLUSTER,
        link=Link.ANNOUNCER,
        layer=Layer.METALLB,
        proven_by=(
            "The pending pod's condition says so, or the node has a taint that the DaemonSet does not "
            "tolerate."
        ),
        excluded_by="A speaker runs on the node.",
        effects=frozenset({Effect.STOPS_SPEAKER, Effect.PREVENTS_TAKEOVER, Effect.PODS_NOT_READY}),
        rank=53,
        narrowed_by_subject=False,
        reported_by=CheckId.SCALING_SPEAKER_SCHEDULING,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.SPEAKER_MISSING_ON_NODE,
        title="A node that should announce has no speaker",
        meaning="No speaker runs on the node: the DaemonSet's selector leaves it out, or its pod is gone.",
        remedy="Label the node as the DaemonSet selects, or tolerate the taint that keeps the speaker away.",
        commands=(
            _PODS,
            "kubectl -n {metallb_namespace} get {speaker} -o jsonpath='{{.spec.template.spec.nodeSelector}}'",
            "kubectl get node {node} --show-labels",
        ),
        scope=Scope.CLUSTER,
        link=Link.ANNOUNCER,
        layer=Layer.METALLB,
        proven_by="The pods were read, and none of the DaemonSet is on the node.",
        excluded_by="A speaker's pod is on the node.",
        effects=frozenset({Effect.STOPS_SPEAKER, Effect.PREVENTS_TAKEOVER}),
        rank=57,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_SPEAKERS_PLACED,
        rests_on=(NODES, PODS, DAEMON_SETS),
        last_resort=False,
    ),
    Cause(
        id=CauseId.NODE_NOT_READY,
        title="The node is not ready",
        meaning=(
            "The kubelet does not report. MetalLB's election ignores that, so addresses may stay on the node."
        ),
        remedy="Bring the node back, or exclude it from load balancing so that its addresses move now.",
        commands=(
            "kubectl describe node {node}",
            "kubectl label node {node} node.kubernetes.io/exclude-from-external-load-balancers=true",
        ),
        scope=Scope.CLUSTER,
        link=Link.ANNOUNCER,
        layer=Layer.NODES_AND_NETWORK,
        proven_by="The node's condition Ready is not True.",
        excluded_by="The node is Ready.",
        effects=frozenset(
            {
                Effect.STOPS_CONTROLLER,
                Effect.STOPS_SPEAKER,
                Effect.PREVENTS_TAKEOVER,
                Effect.SPLITS,
                Effect.LOSES_NODE,
                Effect.PODS_NOT_READY,
            }
        ),
        rank=40,
        narrowed_by_subject=False,
        reported_by=CheckId.RECOVERY_INCIDENT_SCOPE,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.MEMBERLIST_PARTITION,
        title="The speakers' memberlist cluster is split",
        meaning="The speakers do not reach each other by memberlist, so each side elects its own announcers.",
        remedy="Open TCP and UDP port 7946 between all nodes.",
        commands=(
            "kubectl -n {metallb_namespace} logs {speaker} --tail=500 | grep -E 'Suspect|partial join'",
            "nc -zv {peer} 7946",
            "nc -zvu {peer} 7946",
        ),
        scope=Scope.CLUSTER,
        link=Link.ANNOUNCER,
        layer=Layer.NODES_AND_NETWORK,
        proven_by="A speaker's log says that it lost a peer whose speaker runs on a Ready node.",
        excluded_by="Every running speaker counts every other as present.",
        effects=frozenset({Effect.SPLITS, Effect.PREVENTS_TAKEOVER}),
        rank=20,
        narrowed_by_subject=False,
        reported_by=CheckId.HEALTH_SPEAKER_LOG,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.MEMBERLIST_KEY_MISMATCH,
        title="The speakers use different memberlist keys",
        meaning="A speaker cannot decrypt another's messages: the secret changed, or versions are mixed.",
        remedy="Restart all speakers so that they read one secret and run one version.",
        commands=(
            "kubectl -n {metallb_namespace} logs {speaker} --tail=500 | grep -iE 'decrypt|encrypt'",
            "kubectl -n {metallb_namespace} get pods -o jsonpath='{{..image}}'",
            _RESTART_SPEAKERS,
        ),
        scope=Scope.CLUSTER,
        link=Link.ANNOUNCER,
        layer=Layer.METALLB,
        proven_by=(
            "A speaker's log says that it cannot decrypt a peer's message, and that peer has not joined "
            "since."
        ),
        excluded_by="The peers joined after that line.",
        effects=frozenset({Effect.SPLITS, Effect.PREVENTS_TAKEOVER}),
        rank=15,
        narrowed_by_subject=False,
        reported_by=CheckId.HEALTH_SPEAKER_LOG,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.MEMBERLIST_DISABLED,
        title="Without memberlist, dead nodes keep their addresses",
        meaning="Memberlist is off, so every node counts as alive, and no other node takes over from a dead one.",
        remedy=(
            "Set METALLB_ML_BIND_ADDR and METALLB_ML_LABELS on the speakers, as the shipped manifest does."
        ),
        commands=(
            "kubectl -n {metallb_namespace} get {speaker} -o yaml | grep METALLB_ML_",
            "kubectl -n {metallb_namespace} edit {speaker}",
        ),
        scope=Scope.CLUSTER,
        link=Link.ANNOUNCER,
        layer=Layer.METALLB,
        proven_by="The DaemonSet's containers lack METALLB_ML_BIND_ADDR or METALLB_ML_LABELS.",
        excluded_by="Both are set.",
        effects=frozenset({Effect.PREVENTS_TAKEOVER}),
        rank=10,
        narrowed_by_subject=False,
        reported_by=CheckId.HEALTH_SPEAKER_LOG,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.MEMBERLIST_SECRET_MISSING,
        title="The memberlist secret is missing",
        meaning="The speakers mount a secret that the controller creates, and do not start without it.",
        remedy="Restart the controller, which creates the secret when it starts.",
        commands=(
            "kubectl -n {metallb_namespace} get secrets",
            _DESCRIBE_SPEAKER,
            _RESTART_CONTROLLER,
        ),
        scope=Scope.CLUSTER,
        link=Link.ANNOUNCER,
        layer=Layer.METALLB,
        proven_by=(
            "The secret that the DaemonSet mounts is not among the names of secrets, or the kubelet says so."
        ),
        excluded_by="The secret is there.",
        effects=frozenset({Effect.STOPS_SPEAKER, Effect.PREVENTS_TAKEOVER}),
        rank=50,
        narrowed_by_subject=False,
        reported_by=CheckId.HEALTH_PODS_READY,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.WEBHOOK_UNREACHABLE,
        title="MetalLB's webhook cannot be reached",
        meaning=(
            "The API server cannot call the webhook, so every change of a pool or advertisement is rejected."
        ),
        remedy="Get the controller running, and let the API server reach its port 9443.",
        commands=(
            "kubectl get validatingwebhookconfigurations -o wide | grep metallb",
            "kubectl -n {metallb_namespace} get endpointslices",
            _RESTART_CONTROLLER,
        ),
        scope=Scope.CLUSTER,
        link=Link.CONFIGURATION,
        layer=Layer.METALLB,
        proven_by=(
            "The dry run of a pool failed at the webhook, or the webhook's service has no ready endpoint."
        ),
        excluded_by="The webhook answered the dry run.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.HEALTH_CONFIG_ACCEPTED,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.CONFIG_REJECTED,
        title="MetalLB rejected its configuration",
        meaning=(
            "One invalid object makes MetalLB reject all changes and keep using the last valid configuration."
        ),
        remedy="Correct the object that the log or the ConfigurationState names.",
        commands=(
            "kubectl -n {metallb_namespace} logs {controller} --tail=200 | grep Reconciler | grep error",
            "kubectl -n {metallb_namespace} get configurationstates -o yaml",
            "kubectl -n {metallb_namespace} get ipaddresspools,l2advertisements -o yaml",
        ),
        scope=Scope.CLUSTER,
        link=Link.CONFIGURATION,
        layer=Layer.CONFIGURATION,
        proven_by="A ConfigurationState, a stale-configuration metric or MetalLB's log says so.",
        excluded_by="MetalLB says that the configuration is valid, and no rule of it is broken.",
        effects=frozenset(
            {Effect.REFUSES_CONFIGURATION, Effect.SILENCES, Effect.CHANGES_ADDRESS, Effect.KEEPS_ADDRESS}
        ),
        rank=70,
        narrowed_by_subject=False,
        reported_by=CheckId.HEALTH_CONFIG_ACCEPTED,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.API_UNREACHABLE,
        title="The API server cannot be reached",
        meaning="A component does not reach the API server, so it works with an outdated view of the cluster.",
        remedy="Fix the connection from that node to the API server, or the API server itself.",
        commands=(
            "kubectl get --raw /readyz",
            "kubectl get nodes -o wide",
            _SPEAKER_LOG,
            _CONTROLLER_LOG,
        ),
        scope=Scope.CLUSTER,
        link=Link.CONTROLLER,
        layer=Layer.NODES_AND_NETWORK,
        proven_by="A component logs it now, or a kubelet answers while its node does not report.",
        excluded_by="The node reports, and no component logs a failed request.",
        effects=frozenset(
            {
                Effect.STOPS_CONTROLLER,
                Effect.STOPS_SPEAKER,
                Effect.PREVENTS_TAKEOVER,
                Effect.SPLITS,
                Effect.LOSES_NODE,
                Effect.PODS_NOT_READY,
            }
        ),
        rank=30,
        narrowed_by_subject=False,
        reported_by=CheckId.RECOVERY_INCIDENT_SCOPE,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.PERMISSION_MISSING,
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
        link=Link.CONTROLLER,
        layer=Layer.METALLB,
        proven_by=(
            "A component's log holds the API server's refusal with verb and resource, and goes on saying so."
        ),
        excluded_by="Nothing is refused any more.",
        effects=frozenset({Effect.STOPS_CONTROLLER}),
        rank=90,
        narrowed_by_subject=False,
        reported_by=CheckId.HEALTH_CONTROLLER_LOG,
        rests_on=(SERVICES,),
        last_resort=False,
    ),
    Cause(
        id=CauseId.VERSION_SKEW,
        title="MetalLB's components run different versions",
        meaning="Controller, speakers, resource definitions and overlay are not all of one version.",
        remedy="Finish or revert the upgrade, so that all components run the overlay's version.",
        commands=(
            "kubectl -n {metallb_namespace} get pods -o "
            "custom-columns=POD:.metadata.name,IMAGE:.spec.containers[0].image",
            "kubectl apply -k {overlay}",
        ),
        scope=Scope.CLUSTER,
        link=None,
        layer=Layer.METALLB,
        proven_by="The images, definitions and overlay that were read name different versions.",
        excluded_by="All name one version.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.OVERLAY_VERSION_SKEW,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.CRD_OUTDATED,
        title="MetalLB's resource definitions are outdated",
        meaning="The running version needs resource definitions, fields or roles that the cluster does not have.",
        remedy="Apply the resource definitions and roles of the running version.",
        commands=(
            "kubectl get crds | grep metallb.io",
            "kubectl apply -k {overlay}",
        ),
        scope=Scope.CLUSTER,
        link=Link.CONTROLLER,
        layer=Layer.METALLB,
        proven_by="A component's log names a resource or a field that the cluster does not define.",
        excluded_by="The definitions have it.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.OVERLAY_VERSION_SKEW,
        rests_on=(),
        last_resort=False,
    ),
)
