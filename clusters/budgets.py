"""How long each claim may take to become true, in one table, each figure with its reason.

Nothing else in the project takes seconds from a literal, but for programs that run by themselves with the standard
library alone (the vantage's agent, a lab's hosts). `--patience` scales every budget for slow machines;
a profile replaces single ones by name. `get` gives a budget as it is now, both applied.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from clusters import bounds
from clusters.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Budget:
    """A claim's time limit: true `within` seconds, looked at `every` seconds; `reason` says why that long."""

    name: str
    within: float
    every: float
    reason: str

    def scaled(self, factor: float) -> Budget:
        """The same budget with `factor` times the time; how often it is looked at stays."""
        return replace(self, within=self.within * factor)


#: All of them, by the names that a profile and a report know them by.
BUDGETS: dict[str, Budget] = {}


def _budget(name: str, within: float, every: float, reason: str) -> Budget:
    BUDGETS[name] = Budget(name=name, within=within, every=every, reason=reason)
    return BUDGETS[name]


# fmt: off
#: Becoming true: how long a check waits for a claim.
ASSIGNED = _budget("assigned", 10, 0.1,
    "The controller assigns on the service's own event, well under a second when idle.")
NOT_ASSIGNED = _budget("not_assigned", 3, 0.1,
    "A refusal is decided as fast as an assignment; three seconds show it stays.")
ANNOUNCED = _budget("announced", 10, 0.1,
    "The owner answers as soon as it sees the address and an endpoint; the event passes the "
    "controller, the speaker and the endpoint slice.")
SERVED = _budget("served", 15, 0.1,
    "As announced, and kube-proxy writes its rules at most once a second after that.")
HANDED_OVER = _budget("handed_over", 3, 0.5,
    "Two nodes announce an address for 0.2 to 1.6 s while a speaker starts or ends, and their "
    "ServiceL2Status follow: what a look after that sees too is no moment.")
LOOKED_AGAIN = _budget("looked_again", 5, 1,
    "Somebody who watches a service wants to hear of a change within seconds; a look costs a second.")
WITHDRAWN = _budget("withdrawn", 10, 0.1,
    "The speaker stops on the event that takes its reason away.")
RELEASED = _budget("released", 10, 0.1,
    "The pool takes an address back when the controller sees the service gone.")
GRATUITOUS_SEEN = _budget("gratuitous_seen", 6, 0.1,
    "A pair of gratuitous packets at once, then one every 1.1 s for 5 s.")
MOVED_ON_EXCLUSION = _budget("moved_on_exclusion", 5, 0.1,
    "One API event to the speakers: 0.14 s measured; upstream allows a minute.")
FAILED_OVER_GRACEFUL = _budget("failed_over_graceful", 10, 0.1,
    "A leaving speaker says farewell to its peers: 0.1 to 0.3 s measured; MetalLB's documentation "
    "calls more than 10 s a bug.")
FAILED_OVER_KILLED = _budget("failed_over_killed", 10, 0.1,
    "Peers probe every second and suspect for 4 s: 5 to 7 s up to three members; MetalLB's "
    "documentation calls more than 10 s a bug.")
FAILED_OVER_NODE_LOST = _budget("failed_over_node_lost", 10, 0.1,
    "The same suspicion as for a killed speaker: 5.1 s measured; MetalLB's documentation calls more "
    "than 10 s a bug.")
FAILED_OVER_SLOW_MESH = _budget("failed_over_slow_mesh", 30, 0.25,
    "With four and more members a suspicion may last 24 s where peers do not confirm it (six times "
    "the minimum).")
SERVICE_RECOVERED_AFTER_NODE_LOST = _budget("service_recovered_after_node_lost", 80, 0.25,
    "A dead node's endpoints stay in use until the node controller's grace is over (40 s, 50 s from "
    "Kubernetes 1.32), seen up to 5 s late, and then as long as their withdrawal takes: 45 to 49 s measured.")
FAILED_BACK = _budget("failed_back", 60, 0.1,
    "As soon as the old owner's pod is back among the members: 1.6 s measured, plus the time to "
    "start a pod on a busy machine; a lost node is rejoined at least every 60 s.")
SETTLED = _budget("settled", 90, 0.5,
    "Speakers that were apart try to meet again every 60 s, and announce side by side until they have.")
PODS_READY = _budget("pods_ready", 90, 0.25,
    "MetalLB's readiness probes wait 10 s before their first look, images are there.")
ROLLOUT = _budget("rollout", 120, 0.25,
    "One pod after the other, each as long as its readiness takes.")
DELETED = _budget("deleted", 30, 0.1,
    "Objects without finalizers go at once; a service waits for MetalLB's finalizer.")
POD_GONE = _budget("pod_gone", 45, 0.1,
    "The default grace of 30 s, and what kubelet needs after it.")
NAMESPACE_GONE = _budget("namespace_gone", 90, 0.25,
    "The namespace controller empties it in two or three rounds of 5 s.")
NODE_READY = _budget("node_ready", 90, 0.5,
    "Kubelet reports every 10 s, the network plugin comes first.")
NODE_NOT_READY = _budget("node_not_ready", 70, 0.5,
    "The node controller's grace: 40 s, 50 s from Kubernetes 1.32.")
POOL_STATUS = _budget("pool_status", 15, 0.25,
    "The controller writes the counters of a pool after each assignment.")
L2_STATUS = _budget("l2_status", 15, 0.25,
    "The speaker writes ServiceL2Status when it takes or drops an address.")
CONFIG_LOADED = _budget("config_loaded", 30, 0.25,
    "Speakers reconcile on the event; one that failed tries again with a pause that doubles up to "
    "half a minute.")
WEBHOOK_READY = _budget("webhook_ready", 60, 0.25,
    "The controller makes its certificate and writes it into the webhooks first.")
EVENT_SEEN = _budget("event_seen", 10, 0.2,
    "Events are sent asynchronously, and repeated ones are gathered.")
METRICS_ANSWERED = _budget("metrics_answered", 45, 0.5,
    "metrics-server scrapes every 15 s and wants two samples.")
REAPPLIED = _budget("reapplied", 120, 0.25,
    "Pods, pools and every service's address after the configuration is applied.")
ROLLED_BACK = _budget("rolled_back", 60, 0.25,
    "No pod restarts in a change of pools: the time of an assignment, per service.")
CHANGED_POOL = _budget("changed_pool", 30, 0.25,
    "As rolled back, for the one address that the change took away.")
RECONCILER_RESTS = _budget("reconciler_rests", 120, 0.25,
    "What Flux or Argo CD has begun it ends, though it be suspended: seconds for manifests, a minute for a chart.")
STAGE_BUILT = _budget("stage_built", 120, 0.25,
    "The slowest stage of a rebuild is controller and speakers: pods, and then the webhook.")
CONTROLLER_SERVES = _budget("controller_serves", 90, 0.25,
    "A controller whose node was cut off notices a dead connection after 45 s (client-go's ping), and then "
    "tries again with a pause that doubles up to half a minute.")
API_BACK = _budget("api_back", 60, 0.5,
    "An API server that restarts is ready in 3 to 20 s.")
API_BUSY = _budget("api_busy", 30, 1,
    "An API server that is too busy names the pause itself, as a rule 1 s; one that wants more than half a "
    "minute is asked for nothing more, and the run says so.")
API_ANSWER = _budget("api_answer", 60, 1,
    "A page of 500 objects takes a second; a minute lets the largest that is read pass a line of 10 Mbit/s.")
API_LIST = _budget("api_list", 300, 1,
    "An API server keeps the position in a list for five minutes, and no page is had after that.")
POD_ANSWER = _budget("pod_answer", 15, 0.1,
    "A pod's metrics are there in a tenth of a second, also of 5,000 services; a pod that hangs must not "
    "hold up what is read of all the others.")
TRIES_APART = _budget("tries_apart", 0.002, 0.001,
    "Pause between two tries at services from outside: 500 connections a second are noticed by no node, and "
    "three tries at each of 1,000 ports take 6 s; a site that counts connections wants a longer one.")
LOGIN_COMMAND = _budget("login_command", 60, 0.1,
    "A cloud's command asks its own API in 1 to 5 s; nobody is there to answer what it may ask.")
FLEET_RUN = _budget("fleet_run", 7200, 1,
    "The longest run of one cluster among several: every check with three repetitions and a lost node's "
    "endpoints takes half an hour; a run that hangs must end before the next night.")
FLEET_UNDONE = _budget("fleet_undone", 300, 1,
    "What a run that is told to end has to undo: a namespace (90 s), a node that comes back (90 s) and "
    "settles (90 s).")
CLUSTER_HELD = _budget("cluster_held", 60, 15,
    "How long a run's Lease on a cluster outlives it: four renewals, so that one that is lost on a busy "
    "machine costs nothing, and a dead run blocks the next one for a minute.")
PART_TURN = _budget("part_turn", 7200, 5,
    "One part of a run waits for all others that change the cluster, and in sum they take what the whole run "
    "does: as fleet_run.")
CONFLICT_SETTLED = _budget("conflict_settled", 10, 0.1,
    "Two writers on one object take turns within a few tries.")

#: Staying small: the longest that something may be out of order, judged by measurement, not waited for.
TRAFFIC_GAP_GRACEFUL = _budget("traffic_gap_graceful", 2, 0.02,
    "No failed request was measured; one packet retransmitted by TCP is 1 s.")
TRAFFIC_GAP_KILLED = _budget("traffic_gap_killed", 10, 0.02,
    "The address is dead until the peers' suspicion is over, as above.")
TRAFFIC_GAP_NODE_LOST = _budget("traffic_gap_node_lost", 10, 0.02,
    "5.13 s measured for the address itself; endpoints apart.")
TRAFFIC_GAP_EXCLUDED = _budget("traffic_gap_excluded", 0.5, 0.02,
    "No failed request was measured; the old owner still forwards.")
TRAFFIC_GAP_CONTROLLER_RESTART = _budget("traffic_gap_controller_restart", 0.2, 0.02,
    "The controller is not in the path of any packet.")
TRAFFIC_GAP_UPGRADE = _budget("traffic_gap_upgrade", 10, 0.02,
    "Every speaker restarts in turn, each one a graceful failover.")
UPGRADE_WINDOW = _budget("upgrade_window", 7 * 86400, 60,
    "An upgrade is over in hours; after a week other changes are mixed up with it.")
UPGRADE_MEASURED = _budget("upgrade_measured", 7200, 5,
    "Nodes are upgraded one after another; what consumers answer, five times a second, is kept until the end.")
UPGRADE_FIGURES = _budget("upgrade_figures", 30, 0.5,
    "Who measures looks every five seconds whether the upgrade is over, and then writes what it saw.")
DOUBLE_ANSWERS_OVERLAP = _budget("double_answers_overlap", 3, 0.05,
    "0.2 to 1.6 s measured while a deleted speaker ends, and at a speaker's start, when it knows no "
    "peer yet.")
DOUBLE_ANSWERS_REJOINED = _budget("double_answers_rejoined", 65, 0.05,
    "A node that was cut off announces on until memberlist has met it "
    "again, which its speaker tries every 60 s: 8.6 s measured.")
NOBODY_ANSWERS_GRACEFUL = _budget("nobody_answers_graceful", 2, 0.05,
    "The new owner answers before the old one is gone, or just after.")
CLOCK_SKEW = _budget("clock_skew", 5, 1,
    "Clocks kept by NTP differ by milliseconds; the Date header tells whole seconds, and the Lease on the "
    "cluster lasts 60 s by these clocks.")
NOBODY_ANSWERS_UPGRADE = _budget("nobody_answers_upgrade", 10, 0.05,
    "A speaker that is ready has yet to meet the others, and the next one is taken away already: 5.2 s "
    "measured on a busy machine for an address that only two nodes may announce.")
LAST_VALIDATED = _budget("last_validated", 90 * 86400, 86400,
    "How old the runbook's validation may be: two MetalLB releases lie in a quarter.")
RESTORABLE = _budget("restorable", 86400, 3600,
    "How long after a run deleted something a sweep makes it again unasked: the morning after a nightly "
    "run; later somebody may have removed it on purpose.")
STALE = _budget("stale", 36 * 3600, 3600,
    "How old a check's last pass may be: a nightly run is a day apart, and half a day late at worst.")
STALE_DISRUPT = _budget("stale_disrupt", 8 * 86400, 3600,
    "The same of a check that disrupts, on the page of a fleet: such runs are weekly, and a day late at worst.")
DELIVERED = _budget("delivered", 10, 0.1,
    "Metrics and messages leave when a run has ended; a receiver that hangs may delay it by seconds.")

#: Programs, hosts and connections: how long one may take to answer, to do its work, or to end.
API_CONNECTED = _budget("api_connected", 5, 1,
    "A connection takes a round trip; what drops packets without a word is known after five seconds.")
API_SILENT = _budget("api_silent", 30, 1,
    "An API server that is busy sends something of its answer every few seconds.")
REQUEST_LATE = _budget("request_late", 1, 0.1,
    "A request that was under way when its run was killed: the API server has it by then, or never will.")
PROGRAM_ENDED = _budget("program_ended", 20, 1,
    "A program that is told to end writes what it holds, and a container store unmounts.")
GIT_ANSWERED = _budget("git_answered", 30, 1,
    "A log of 500 commits takes tenths of a second; a repository on a slow disk takes seconds.")
OVERLAY_RENDERED = _budget("overlay_rendered", 60, 1,
    "A whole release manifest takes half a second; more than a minute is a loop.")
PROCESS_COLLECTED = _budget("process_collected", 600, 1,
    "Another process of the run observes for all: the budgets of what it asks, one after the other.")
WORKERS_UNDONE = _budget("workers_undone", 90, 1,
    "A worker undoes what its check has open: pods that come back take longest.")
VANTAGE_ANSWERED = _budget("vantage_answered", 10, 0.1,
    "An agent answers in milliseconds, and over ssh in a round trip; its machine may be busy.")
CONSUMER_ANSWERED = _budget("consumer_answered", 3, 0.02,
    "A connection, TLS and an answer take milliseconds on a segment; a lost SYN is sent again after 1 s.")
CONSUMER_EVERY = _budget("consumer_every", 0.2, 0.01,
    "Pause between two requests to a consumer of the profile while something is disturbed: five a second tell a gap "
    "to a fifth of one, and are noticed by no service; a site that counts requests wants a longer one.")
VANTAGE_READY = _budget("vantage_ready", 15, 0.1,
    "Python starts in a second on a slow host; a login over ssh may ask a directory first.")
VANTAGE_ENDED = _budget("vantage_ended", 3, 0.1,
    "An agent ends when its input does.")
CAPTURE_ENDED = _budget("capture_ended", 5, 0.1,
    "A capture ends with the next look at its socket.")
PROBES_ENDED = _budget("probes_ended", 10, 0.1,
    "Attempts under way still count: each may take as long as its own time limit.")
SSH_SETTINGS_READ = _budget("ssh_settings_read", 10, 1,
    "ssh -G reads its configuration; a Match exec in it may ask somebody.")
SSH_RELEASED = _budget("ssh_released", 5, 1,
    "The shared connection is on this machine and answers at once.")
PROBE_ANSWERED = _budget("probe_answered", 2, 0.1,
    "A round trip on a segment is a millisecond; a lost SYN is sent again after a second.")
PROBE_REFUSED = _budget("probe_refused", 1, 0.1,
    "A refusal comes with the first packet.")
NEIGHBOUR_LEARNT = _budget("neighbour_learnt", 0.3, 0.05,
    "The kernel has the answer to its own question within a round trip.")
FAULT_MADE = _budget("fault_made", 30, 1,
    "One kubectl patch; a busy API server takes seconds.")
FAULT_ENDED = _budget("fault_ended", 10, 1,
    "A watch is let go within a tenth of a second.")
BGP_KEPT_ALIVE = _budget("bgp_kept_alive", 10, 1,
    "A session is held by a word well within its hold time.")
LAB_PROGRAM_STARTED = _budget("lab_program_started", 60, 0.05,
    "A program that finds its files starts in a second.")
LAB_STARTED = _budget("lab_started", 90, 0.05,
    "Programs start; on two busy cores ten times slower than alone.")
LAB_SERVED = _budget("lab_served", 120, 0.1,
    "Images are there, so pods need seconds; a loaded machine needs more.")
LAB_OBJECT_ACCEPTED = _budget("lab_object_accepted", 60, 0.05,
    "An object that names a kind, an account or a webhook that is being made.")
LAB_HOST_ANSWERED = _budget("lab_host_answered", 5, 0.1,
    "An order takes under a millisecond; a host that does not answer for this long is stopped or gone.")
LAB_COMPONENT_ANSWERED = _budget("lab_component_answered", 1, 0.1,
    "A component of the lab answers on its own machine in milliseconds.")
LAB_API_ANSWERED = _budget("lab_api_answered", 10, 0.1,
    "One object at a time, of an API server on the same machine.")
LAB_FREE = _budget("lab_free", 240, 0.1,
    "The command that holds a lab boots it in its own budgets, or removes it.")
LAB_GONE = _budget("lab_gone", 30, 0.02,
    "Killed processes leave when the kernel has put away their memory.")
LAB_MOUNT_TRIED = _budget("lab_mount_tried", 20, 1,
    "One mount in a namespace of its own.")
PARTS_UNPACKED = _budget("parts_unpacked", 300, 1,
    "The largest archive takes seconds; a slow disk takes a minute.")
IMAGE_STORE_SERVING = _budget("image_store_serving", 30, 0.05,
    "containerd answers in half a second when idle.")
IMAGE_STORE_NOTED = _budget("image_store_noted", 30, 0.1,
    "The CRI plugin hears of an import by an event.")

#: Pauses where nothing says when it is over; `wait.pause` lets them pass.
FRAMES_ARRIVED = _budget("frames_arrived", 0.25, 0.05,
    "Frames that are under way when the asking ends reach the capture by way of a pipe.")
PROXY_REPLIED = _budget("proxy_replied", 1, 0.1,
    "Who replies for others by proxy ARP lets up to 0.8 s pass first (proxy_delay of Linux).")
ANNOUNCERS_SETTLED = _budget("announcers_settled", 2, 0.1,
    "A speaker that starts or ends answers beside another for 0.2 to 1.6 s; what lasts longer is no move.")
NEIGHBOURS_LOOKED_AT = _budget("neighbours_looked_at", 0.05, 0.01,
    "The kernel's table is read again after this: often enough to see an answer soon.")

# fmt: on


class _Settings:
    """What this process runs with; the plugin sets it once, before any check."""

    patience: float = 1.0
    overrides: Mapping[str, float] = {}


def set_patience(factor: float) -> None:
    """Multiply every budget by `factor` from now on, in this process.

    Raises UsageError where it is not above zero.
    """
    if not 0 < factor <= bounds.LARGEST_FACTOR:
        raise UsageError(
            f"--patience {factor:g} is not above zero, or above {bounds.LARGEST_FACTOR:g}.",
            remedy="Give 1 for the budgets as they are.",
        )
    _Settings.patience = factor


def override(within: Mapping[str, float]) -> None:
    """Replace the time of the named budgets (a profile's `budgets`), in this process; `{}` takes all back.

    Raises UsageError for a name that the table does not have.
    """
    for name in within:
        if name not in BUDGETS:
            close = difflib.get_close_matches(name, BUDGETS, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"The names are: {', '.join(sorted(BUDGETS))}."
            raise UsageError(f"There is no budget named {name!r}.", remedy=hint)
    _Settings.overrides = dict(within)


def get(budget: Budget) -> Budget:
    """The budget with the profile's override and the patience of this run applied."""
    within = _Settings.overrides.get(budget.name, budget.within)
    return replace(budget, within=within).scaled(_Settings.patience)


def seconds(budget: Budget) -> float:
    """The time of the budget, as `get` gives it."""
    return get(budget).within
