"""Whether the speakers hear each other and the API server: what their logs say of memberlist and of requests.

A speaker logs each peer that joins or leaves. Replayed, its lines say whom it counts as present now; a peer
that it has lost although that peer's speaker runs is cut off from it. (`memberlistWatchEvents` in MetalLB's
internal/speakerlist/speakerlist.go, 0.15.2 and 0.16.2.)
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from clusters.cause_ids import CauseId
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.root_cause import RootCause
from clusters.diagnosis.signals import seconds
from clusters.metallb.log_lines import fields_of
from clusters.metallb.signatures import Hit
from clusters.subject import CLUSTER, Subject

#: A speaker looks for peers that it lacks every 60 s; a pod must have had that time before this counts.
_SETTLED = 75.0
#: A speaker that is killed is missed after up to 6 s (measured), by when the next one may run already.
_BEFORE_LEAVING = 8.0
#: client-go tries again after at most 30 s, so that a lasting outage has been told of again within this time.
_API_RETRIES = 45.0
#: A kubelet renews its node's lease every 10 s; other nodes' leases are the clock.
_LEASE_LATE = 25.0
_SENDER = re.compile(r"from=\[?([0-9a-fA-F.:]+?)\]?:\d+")
#: Where UDP is blocked, a speaker says so at each probe, every second or two; a busy machine misses one now and then.
_PROBES_LOST, _LOST_WITHIN = 3, 30.0
#: What is said of a peer that joins, changes or leaves.
_EVENTS = frozenset({"NodeJoin", "NodeUpdate", "NodeLeave"})
#: Each peer that a speaker looked for and did not reach, in one line. (A capital until 0.15.)
_ADDRESS = re.compile(r"[Ff]ailed to join \[?([0-9a-fA-F.:]+?)\]?:\d+:")


def root_causes(facts: Facts) -> Iterator[RootCause]:
    """What keeps speakers apart, and what keeps one from the API server."""
    key = tuple(_key_mismatch(facts))
    elsewhere = tuple(_looking_elsewhere(facts))
    yield from (*key, *elsewhere)
    if not (key or elsewhere):
        yield from _partition(facts)
    yield from _disabled(facts)
    yield from _cut_from_api(facts)


def _key_mismatch(facts: Facts) -> Iterator[RootCause]:
    said = [
        f"speaker on {node}: {hit.line}"
        for node, hit in _hits(facts, CauseId.MEMBERLIST_KEY_MISMATCH)
        if hit.signature.certain and not _heard_again(facts, node, hit)
    ]
    if said:
        yield RootCause(
            cause=CauseId.MEMBERLIST_KEY_MISMATCH,
            subject=CLUSTER,
            summary="Speakers cannot decrypt each other's messages: they run with different memberlist keys.",
            evidence=tuple(said[:4]),
            fields=facts.command_fields(),
        )


def _heard_again(facts: Facts, node: str, hit: Hit) -> bool:
    """Whether the peer of an unreadable message joined later, which takes the same key on both sides."""
    lines = facts.signals.logs[facts.components.speakers[node].name].lines
    place = max((number for number, line in enumerate(lines) if line == hit.line), default=len(lines))
    peers = set(_ADDRESS.findall(hit.line)) | set(_SENDER.findall(hit.line))
    for line in lines[place + 1 :]:
        said = fields_of(line) if "NodeJoin" in line else {}
        if said and (not peers or said.get("node addr") in peers):
            return True
    return False


def _partition(facts: Facts) -> Iterator[RootCause]:
    lost = lost_peers(facts)
    insisting = [
        (node, hit) for node, hit in _hits(facts, CauseId.MEMBERLIST_PARTITION) if _insists(facts, node, hit)
    ]
    if not lost and not insisting:
        return
    told = [f"the speaker on {node} considers {peer} gone" for node, peers in lost.items() for peer in peers]
    told += [f"speaker on {node}: {hit.line}" for node, hit in insisting[:2]]
    apart = _apart(facts, lost)
    split = (
        f"The speaker on node {apart} has left the memberlist cluster of the others"
        if apart
        else "The speakers' memberlist cluster is split"
    )
    yield RootCause(
        cause=CauseId.MEMBERLIST_PARTITION,
        subject=Subject.node(apart) if apart else CLUSTER,
        summary=f"{split}, so each side announces addresses by itself.",
        evidence=tuple(told[:6]),
        ruled_out=("every speaker named here runs, on a node that is Ready",),
        fields=facts.command_fields(node=apart, peer=_address_of(facts, lost)),
    )


def _address_of(facts: Facts, lost: Mapping[str, tuple[str, ...]]) -> str:
    """The address of a peer that a speaker has lost, to be tried from that speaker's node."""
    peers = (facts.nodes[peer] for peers in lost.values() for peer in peers)
    return next((str(address) for node in peers for address in node.addresses), "")


def _insists(facts: Facts, node: str, hit: Hit) -> bool:
    """Whether a line tells of a peer whose speaker runs all the same, and has for long enough to be heard."""
    named = {hit.subjects.get("node", ""), *_ADDRESS.findall(hit.line)}
    peers = [
        name
        for name, pod in facts.components.speakers.items()
        if (name in named or any(name in _holders(facts, each) for each in named))
        and pod.ready
        and (pod.started or 0) > _SETTLED
    ]
    if hit.signature.id == "memberlist-partial-join":
        lines = facts.signals.logs[facts.components.speakers[node].name].lines
        return any(peer in _gone(facts, lines) for peer in peers)
    return bool(peers) and hit.signature.certain and _goes_on(facts, node, hit)


def _goes_on(facts: Facts, node: str, hit: Hit) -> bool:
    """Whether a speaker has said the same several times shortly before it said it last."""
    tail = facts.signals.logs[facts.components.speakers[node].name]
    alike = [
        said for line in tail.lines if (said := fields_of(line)).get("msg") == fields_of(hit.line).get("msg")
    ]
    times = [at for said in alike if (at := seconds(said.get("ts"))) is not None]
    return sum(at > max(times) - _LOST_WITHIN for at in times) >= _PROBES_LOST


def lost_peers(facts: Facts) -> Mapping[str, tuple[str, ...]]:
    """By node, the peers that its speaker counts as gone although their speakers run."""
    present = {
        name
        for name, pod in facts.components.speakers.items()
        if pod.running and not pod.deleting and name in facts.nodes and facts.nodes[name].ready
    }
    found = {}
    for name in sorted(present):
        tail = facts.signals.logs.get(facts.components.speakers[name].name)
        gone = _gone(facts, tail.lines) if tail else {}
        peers = {peer: at for peer, at in gone.items() if peer in present - {name}}
        if cut := tuple(sorted(peer for peer, at in peers.items() if _ran_meanwhile(facts, peer, at))):
            found[name] = cut
    return found


def _ran_meanwhile(facts: Facts, peer: str, left: float | None) -> bool:
    """Whether a peer's speaker ran when it was taken for gone, or has since run for long enough to be heard.

    One that crashes runs for a moment at each try, and was rightly counted as gone.
    """
    pod = facts.components.speakers[peer]
    age = pod.started or 0
    return pod.ready and (age > _SETTLED or (left is not None and facts.now - age < left - _BEFORE_LEAVING))


def _gone(facts: Facts, lines: tuple[str, ...]) -> dict[str, float | None]:
    """The nodes of which the last word in a log is that they left, or are not to be joined, and when."""
    return {node: at for node, (gone, at) in _last_words(facts, lines).items() if gone}


def _last_words(facts: Facts, lines: tuple[str, ...]) -> dict[str, tuple[bool, float | None]]:
    """Of each node that a log tells of whether it counts as gone by the last line about it, and when that was.

    A log may begin after a peer has left: once a minute the speaker then says which of those it lacks it cannot join.
    """
    words: dict[str, tuple[bool, float | None]] = {}
    for line in lines:
        if "node event" in line:
            said = fields_of(line)
            if (event := said.get("node event")) in _EVENTS:
                words[said.get("node name", "")] = event == "NodeLeave", seconds(said.get("ts"))
        elif "partial join" in line:
            said = fields_of(line)
            for address in (
                _ADDRESS.findall(said.get("error", "")) if said.get("msg") == "partial join" else ()
            ):
                for node in _holders(facts, address):
                    words[node] = (
                        True,
                        words[node][1] if words.get(node, (False,))[0] else seconds(said.get("ts")),
                    )
    return words


def _holders(facts: Facts, address: str) -> Iterator[str]:
    return (name for name, node in facts.nodes.items() if address in map(str, node.addresses))


def _apart(facts: Facts, lost: Mapping[str, tuple[str, ...]]) -> str:
    """The one node that is cut off from the rest; empty where it cannot be told which side is the odd one.

    Every speaker but one has lost it, or it has lost every other one. Where the logs of some begin too late, one whole
    view is as good: a peer that can be asked by way of others is not lost, so that whom it has lost none of those has.
    """
    speakers = facts.components.speakers
    if len(speakers) <= 2:  # of two, either may be the one
        return ""
    named = Counter(peer for peers in lost.values() for peer in peers)
    alone = {
        node
        for node in set(named) | set(lost)
        if named[node] >= len(speakers) - 1 or len(lost.get(node, ())) >= len(speakers) - 1
    }
    if not alone:
        whole = {node: gone for node, gone in lost.items() if len(gone) == 1 and _whole_view(facts, node)}
        alone = {peer for gone in whole.values() for peer in gone}
    return next(iter(alone)) if len(alone) == 1 else ""


def _whole_view(facts: Facts, node: str) -> bool:
    """Whether a speaker's log has a word on every other one."""
    speakers = facts.components.speakers
    words = _last_words(facts, facts.signals.logs[speakers[node].name].lines)
    return words.keys() >= speakers.keys() - {node}


def _disabled(facts: Facts) -> Iterator[RootCause]:
    settings = facts.components.speaking
    if settings and not settings.memberlist:
        yield RootCause(
            cause=CauseId.MEMBERLIST_DISABLED,
            subject=facts.components.workload("speaker"),
            summary="The speakers run without memberlist: no other node takes over from one that fails.",
            evidence=(
                f"{facts.components.speaker_name} does not set METALLB_ML_BIND_ADDR or METALLB_ML_LABELS",
            ),
            fields=facts.command_fields(),
        )


def _looking_elsewhere(facts: Facts) -> Iterator[RootCause]:
    """Speakers find each other by their pods' labels; where none has those, each takes itself for the only one."""
    settings = facts.components.speaking
    if not (settings and settings.memberlist and facts.snapshot.pods.ok):
        return
    pairs = [part.partition("=") for part in settings.memberlist_labels.split(",")]
    if not all(equals for _, equals, _ in pairs):
        return  # no list of equations, which is all that is judged here
    names = {pod.name for pod in facts.components.speakers.values()}
    labels = [
        raw["metadata"].get("labels") or {}
        for raw in facts.snapshot.pods.items
        if raw["metadata"]["name"] in names
    ]
    if labels and not any(all(each.get(key) == value for key, _, value in pairs) for each in labels):
        told = f"METALLB_ML_LABELS={settings.memberlist_labels}"
        other = max(facts.components.speakers)
        peer = _address_of(facts, {"": (other,)}) if other in facts.nodes else ""
        yield RootCause(
            cause=CauseId.MEMBERLIST_PARTITION,
            subject=CLUSTER,
            summary=f"The speakers do not find each other: {told}, and no speaker's pod has these labels.",
            evidence=(f"{facts.components.speaker_name} has {told}",),
            remedy="Set METALLB_ML_LABELS of the speakers to labels that their pods have, as the manifest does.",
            fields=facts.command_fields(node=min(facts.components.speakers), peer=peer),
        )


def _cut_from_api(facts: Facts) -> Iterator[RootCause]:
    """Nodes that cannot reach the API server: a speaker says so, or the kubelet answers and does not report.

    client-go is silent about refused connections, so that a speaker's log often has nothing.
    """
    for name, pod in facts.components.speakers.items():
        hits = [hit for hit in facts.hits.get(pod.name, ()) if hit.cause == CauseId.API_UNREACHABLE]
        fresh = [hit for hit in hits if hit.when is None or facts.now - hit.when.timestamp() < _API_RETRIES]
        said = (
            [f"speaker on {name}: {hit.line}" for hit in fresh[:2]]
            if sum(hit.count for hit in fresh) > 1
            else []
        )
        tail = facts.signals.logs.get(pod.name)
        if tail and tail.ok and (late := _unreported(facts, name)):
            said += [late, f"but its kubelet is up: it served the log of pod {pod.name}"]
        if said:
            yield RootCause(
                cause=CauseId.API_UNREACHABLE,
                subject=Subject.node(name),
                summary=f"Node {name} is up but cannot reach the API server; its speaker works with an outdated "
                "view of the cluster.",
                evidence=tuple(said),
                fields=facts.command_fields(node=name),
            )


def _unreported(facts: Facts, name: str) -> str:
    """Why it looks as if the node does not report to the API server; empty where it does."""
    node = facts.nodes.get(name)
    conditions = facts.raw_nodes[name]["status"].get("conditions", ()) if node else ()
    if any(each["type"] == "Ready" and each["status"] == "Unknown" for each in conditions):
        return f"node {name} has the condition Ready=Unknown"
    renewed = {
        raw["metadata"]["name"]: at
        for raw in facts.snapshot.node_leases.items
        if (at := seconds(raw["spec"].get("renewTime"))) is not None
    }
    lag = max(renewed.values()) - renewed[name] if name in renewed else 0.0
    return f"node {name} renewed its lease {lag:.0f} s before the latest one" if lag > _LEASE_LATE else ""


def _hits(facts: Facts, cause: CauseId) -> Iterator[tuple[str, Hit]]:
    for name, pod in facts.components.speakers.items():
        for hit in facts.hits.get(pod.name, ()):
            if hit.cause == cause:
                yield name, hit
