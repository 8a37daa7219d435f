"""What a person reads who made a mistake in a profile, and what a right one gives."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from clusters import profile
from clusters.checks import Level
from clusters.errors import ConformanceError, UsageError

RIGHT = """\
name: edge
provider: existing
context: edge
kubeconfig: keys/edge.yaml
allow: create
pools:
  - name: metallb-pool
    addresses: [192.0.2.10-192.0.2.20, 192.0.2.32/28]
  - name: public
    addresses: [203.0.113.9/32]
    single_address: true
announcers:
  nodes: [w1, w2]
consumers:
  - service: traefik/traefik
    address: 192.0.2.10
    probe: {protocol: http, port: 80}
gitops:
  repository: ../platform
  overlay: metallb/overlays/edge
vantage: ssh:probe.example
budgets:
  pods_ready: 120
waivers:
  - check: maintenance.legacy-version
    reason: retired in spring
    expires: 2027-03-31
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "edge.yaml"
    path.write_text(text)
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        profile.load(write(folder, text))
    return str(caught.value).replace(str(folder), "")


def test_a_right_profile_becomes_typed_settings(tmp_path: Path) -> None:
    found = profile.load(write(tmp_path, RIGHT))

    assert found.provider is profile.Provider.EXISTING
    assert found.allow is Level.CREATE
    assert found.kubeconfig == tmp_path / "keys" / "edge.yaml"
    assert found.gitops is not None
    assert found.gitops.repository == tmp_path.parent / "platform"
    assert (found.consumers[0].namespace, found.consumers[0].name) == ("traefik", "traefik")
    assert found.waivers[0].expires == dt.date(2027, 3, 31)
    assert found.budgets == {"pods_ready": 120}
    assert found.source == tmp_path / "edge.yaml"


def test_a_pod_is_no_vantage_outside(tmp_path: Path) -> None:
    found = profile.load(write(tmp_path, RIGHT.replace("ssh:probe.example", "pod")))
    other = profile.load(write(tmp_path, RIGHT))

    assert (found.vantage, found.outside, found.inside) == ("pod", "", True)
    assert (other.outside, other.inside) == ("ssh:probe.example", False)
    assert "the profile's vantage is a pod" in found.unseen


def test_a_profile_cannot_be_changed(tmp_path: Path) -> None:
    found = profile.load(write(tmp_path, RIGHT))

    with pytest.raises(ValueError, match="frozen"):
        found.name = "other"  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize("name", profile.shipped())
def test_every_shipped_profile_is_right(name: str) -> None:
    assert profile.load(name).name == name


def test_the_lab_may_be_disrupted_and_people_s_clusters_may_not() -> None:
    ceilings = {name: profile.load(name).allow for name in profile.shipped()}

    assert ceilings["lab"] is Level.DISRUPT
    assert Level.DISRUPT not in {ceilings["homelab"], ceilings["jls"]}


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("allow: everything", "line 4: allow: 'everything' is not one of observe, create, disrupt"),
        ("alow: create", "line 4: alow: there is no such field; did you mean 'allow'?"),
        ("whatsoever: 1", "line 4: whatsoever: there is no such field"),
        ("disposable: maybe", "line 4: disposable: input should be a valid boolean"),
        ("lab: {nodes: 9}", "line 4: lab.nodes: input should be less than or equal to 7"),
        ("lab: {metallb: 0.16}", "line 4: lab.metallb: 0.16 is a number here; put it in quotes"),
        ("lab: {node: 3}", "line 4: lab.node: there is no such field; did you mean 'nodes'?"),
        (
            "vantage: router",
            "line 4: vantage: 'router' is not one of host, container, netns:NAME, ssh:HOST, pod",
        ),
        (
            "routed_vantage: pod",
            "line 4: routed_vantage: a pod is behind no router: inside the cluster kube-proxy answers for every "
            "service's address; give host, netns:NAME or ssh:HOST",
        ),
        (
            "vantage: 'netns:'",
            "line 4: vantage: 'netns:' is not one of host, container, netns:NAME, ssh:HOST, pod",
        ),
        ("budgets: {asigned: 3}", "line 4: budgets: there is no budget 'asigned'; did you mean 'assigned'?"),
        (
            "budgets:\n  assigned: 0",
            "line 5: budgets.assigned: input should be greater than or equal to 0.001",
        ),
        ("context: again", "line 4: context: this field is given twice"),
        (
            "pools:\n  - name: p\n    addresses:\n      - 192.0.2.9",
            "line 7: pools.0.addresses.0: '192.0.2.9' is neither a prefix nor a range. "
            "A single address is written with /32.",
        ),
        (
            "pools:\n  - name: p\n    addresses: [192.0.2.0/30]\n    single_address: true",
            "line 5: pools.0: single_address is set, but the addresses are 4",
        ),
        ("pools:\n  - name: p", "line 5: pools.0.addresses: this field is required"),
        (
            "consumers:\n  - {service: web, address: 192.0.2.1}",
            "line 5: consumers.0.service: 'web' does not have the form "
            "^[a-z0-9]([a-z0-9-]*[a-z0-9])?/[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
        ),
        (
            "consumers:\n  - {service: a/b, address: x}",
            "line 5: consumers.0.address: 'x' is not an IP address",
        ),
        (
            "workloads_namespace: kube-system",
            "line 4: workloads_namespace: kube-system is Kubernetes' own: name one that was made for the "
            "workloads of runs",
        ),
        ("announcers: {nodes: [a], selector: b}", "line 4: announcers: give nodes or selector, not both"),
    ],
)
def test_each_mistake_is_named_with_its_line_and_field(tmp_path: Path, mistake: str, said: str) -> None:
    assert refusal(tmp_path, f"name: e\nprovider: existing\ncontext: e\n{mistake}\n") == f"/edge.yaml, {said}"


def test_all_mistakes_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    assert refusal(tmp_path, "name: e\nprovider: cloud\nallow: all\ncolour: red\n") == (
        "/edge.yaml has 3 mistakes:\n"
        "  line 2: provider: 'cloud' is not one of existing, kind, lab\n"
        "  line 3: allow: 'all' is not one of observe, create, disrupt\n"
        "  line 4: colour: there is no such field"
    )


def test_workloads_get_no_namespace_of_metallb_s(tmp_path: Path) -> None:
    text = "name: e\nprovider: existing\ncontext: e\nnamespace: lb\nworkloads_namespace: lb\n"

    assert "workloads_namespace is MetalLB's own" in refusal(tmp_path, text)


def test_an_existing_cluster_is_never_picked_by_accident(tmp_path: Path) -> None:
    assert "needs a context" in refusal(tmp_path, "name: e\nprovider: existing\n")


def test_what_is_not_yaml_is_named_by_line(tmp_path: Path) -> None:
    assert refusal(tmp_path, "name: e\npools: [a\nallow: x\n").startswith("/edge.yaml, line 3: ")


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just text\n"])
def test_what_is_no_profile_is_called_so(tmp_path: Path, text: str) -> None:
    assert (
        refusal(tmp_path, text)
        == "/edge.yaml: a profile is a mapping of fields to their values, and this is not."
    )


def test_a_shipped_file_is_shown_as_it_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clusters.profile.profile_file.content", lambda *_, **__: b"name: lab\nallow: x\n")

    with pytest.raises(UsageError, match=r"^clusters/profiles/lab\.yaml has 2 mistakes:"):
        profile.load("lab")


def test_an_unknown_name_lists_the_near_one_or_all() -> None:
    with pytest.raises(
        UsageError, match=r"no profile named 'homlab' in clusters/profiles\. Did you mean homelab"
    ):
        profile.load("homlab")
    with pytest.raises(
        UsageError, match=r"There are: homelab, jls, lab, lab-traefik, local; or give a file\."
    ):
        profile.load("zzz")


def test_a_missing_file_and_an_unreadable_one_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConformanceError, match=r"There is no profile .*gone\.yaml"):
        profile.load(tmp_path / "gone.yaml")
    binary = tmp_path / "b.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConformanceError, match="cannot be read: it is not text"):
        profile.load(binary)


BASE = "name: e\nprovider: existing\ncontext: e\n"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            "waivers:\n  - {check: a.b, reason: c, expires: 2027-02-30}",
            "line 5: waivers.0.expires: '2027-02-30' is no date.",
        ),
        (
            "waivers:\n  - {check: a.b, reason: c, expires: 0001-01-01}",
            "line 5: waivers.0.expires: input should be greater",
        ),
        ("budgets: {assigned: .inf}", "line 4: budgets.assigned: input should be"),
        ("budgets: {assigned: .nan}", "line 4: budgets.assigned: input should be"),
        ("budgets: {assigned: -1}", "line 4: budgets.assigned: input should be greater"),
        (
            "budgets: {assigned: 1.0e+300}",
            "line 4: budgets.assigned: input should be less than or equal to 31622400",
        ),
        (
            "reserve: 99999999999999999999",
            "line 4: reserve: input should be less than or equal to 4294967296",
        ),
        ("reserve: " + "1" * 5000, "line 4: it holds a number of 5000 digits."),
        ("reserve: 0x" + "f" * 5000, "line 4: it holds a number of 5002 digits."),
        ("kubeconfig: ~nouser/x", "line 4: kubeconfig: '~nouser/x' is not a path on this machine"),
        ('kubeconfig: "a\\0b"', "line 4: kubeconfig: 'a\\x00b' is not a path on this machine"),
        (
            "gitops: {repository: ~nouser, overlay: a}",
            "line 4: gitops.repository: '~nouser' is not a path on this machine",
        ),
        ("context: \x07", "line 4: the character '\\x07' has no place in YAML."),
        ("pools: &a [*a]", "line 4: it has an alias to what it stands in."),
        ("pools: " + "[" * 2000, "line 4: it is nested more than 100 deep."),
        ("2026-01-01: x", "line 4: 2026-01-01: there is no such field"),
        ("5: x", "line 4: 5: there is no such field"),
        ("vantage: " + "x" * 5000, "line 4: vantage: 'xxxxx"),
    ],
)
def test_what_nobody_should_write_is_one_short_sentence_too(tmp_path: Path, more: str, said: str) -> None:
    told = refusal(tmp_path, f"{BASE}{more}\n")

    assert told.startswith(f"/edge.yaml, {said}")
    assert len(told) < 500


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"name: \xff\xfe", "cannot be read: it is not text."),
        (b"x: " + b"y" * 600_000, "cannot be read: it holds more than 512 KiB."),
        (b"\x1f\x8b\x00", "cannot be read: its compressed data ends early or is damaged."),
        (b"", "a profile is a mapping of fields to their values, and this is not."),
        (b"- a", "a profile is a mapping of fields to their values, and this is not."),
    ],
)
def test_a_file_that_is_no_profile_is_one_sentence(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "edge.yaml"
    path.write_bytes(data)

    with pytest.raises(UsageError) as raised:
        profile.load(path)

    assert str(raised.value).endswith(said)


@pytest.mark.parametrize(
    "wanted", ["~nouser/x.yaml", "a\x00.yaml", "x" * 5000 + ".yaml", "x" * 5000, "a\x00", ""]
)
def test_a_name_that_no_file_can_have_is_one_sentence(wanted: str) -> None:
    with pytest.raises(UsageError, match="There is no profile"):
        profile.load(wanted)


def test_many_mistakes_are_counted(tmp_path: Path) -> None:
    told = refusal(tmp_path, BASE + "".join(f"odd{number}: 1\n" for number in range(30)))

    assert "has 30 mistakes:" in told
    assert told.endswith("\n  and 10 more")
