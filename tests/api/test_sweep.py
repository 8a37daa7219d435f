"""`python -m clusters.sweep` after runs that were killed, against a real API server."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from clusters import sweep, workloads
from clusters.api import Api
from clusters.api.resources import CONFIG_MAPS, IP_ADDRESS_POOLS, LEASES, NODES, SERVICES
from clusters.changes import Changes, cluster_lease, undo_forms
from clusters.changes.changed_fields import storable
from clusters.checks import Level
from clusters.errors import ExitCode
from clusters.journal import STATE_VARIABLE, Journal
from tests.api import victim
from tests.api.objects import config_map, node, service
from tests.api.server import Server, free_port, write_kubeconfig

CHECKOUT = Path(__file__).resolve().parents[2]
MOMENTS = 10


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))
    return tmp_path / "state"


@dataclass(frozen=True)
class Scene:
    """A namespace of the test's API server, a profile that leads there, and the folder of the journals."""

    api: Api
    namespace: str
    profile: str
    state: Path

    def use(self, kubeconfig: Path) -> None:
        """Let the profile log in in another way."""
        path = Path(self.profile)
        path.write_text(json.dumps(json.loads(path.read_text()) | {"kubeconfig": str(kubeconfig)}))

    def names(self) -> set[str]:
        return {each["metadata"]["name"] for each in self.api.list(CONFIG_MAPS, self.namespace)}

    def sweep(self, *options: str) -> int:
        return sweep.main(["--cluster", self.profile, *options])

    def dead_run(
        self,
        act: Callable[[Changes], object] | None = None,
        *,
        old: float = 0.0,
        cluster: str = "edge",
        run: str = "dead",
        **header: Any,
    ) -> Journal:
        """A run that made one object and ended without a word, `old` seconds ago.

        `act` is what it does instead; `header` changes what its journal says of it.
        """
        journal = Journal.for_run(run, cluster=cluster, profile=self.profile)
        changes = Changes(self.api, journal, run)
        if act is None:
            changes.create(config_map("left", self.namespace), foreign="test")
        else:
            act(changes)
        journal.close()
        first, *rest = map(json.loads, journal.path.read_text().rstrip("\0").splitlines())
        first["journal"] |= {"started": time.time() - old - 7200} | header
        for line in rest:
            line["at"] = line.get("at", 0.0) - old
        journal.path.write_text("".join(json.dumps(line) + "\n" for line in (first, *rest)))
        return journal

    def dead_pod(
        self, act: Callable[[Changes], object] | None = None, *, old: float = 300.0, **more: Any
    ) -> Journal:
        """The same in a pod that is no more, as is the folder with its login."""
        gone = {
            "machine": "nightly-28-x7k2p",
            "place": "another-boot/4026532",
            "kubeconfig": "/tmp/gone/kubeconfig",
        }
        return self.dead_run(act, old=old, **gone, **more)


@pytest.fixture
def scene(server: Server, api: Api, namespace: str, tmp_path: Path) -> Scene:
    path = tmp_path / "edge.yaml"
    path.write_text(
        json.dumps(
            {
                "name": "edge",
                "provider": "existing",
                "context": "loopback",
                "kubeconfig": str(server.admin),
                "namespace": namespace,
            }
        )
    )
    return Scene(api, namespace, str(path), tmp_path / "state")


def test_nothing_to_do_is_said(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    assert scene.sweep() == 0
    assert capsys.readouterr().out == "nothing to undo for edge\n"


def test_what_a_dead_run_left_is_undone_and_told(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.dead_run()

    assert scene.sweep("--list") == 0
    assert "left" in scene.names()
    assert scene.sweep() == 0

    assert "left" not in scene.names()
    assert capsys.readouterr().out.splitlines() == [
        "run dead, begun 2 hours ago: 1 to undo",
        f"  create configMap {scene.namespace}/left",
        "run dead, begun 2 hours ago: 1 to undo",
        f"  undone: create configMap {scene.namespace}/left",
    ]
    assert list(scene.state.rglob("*.jsonl")) == []


def test_a_run_that_is_alive_is_left_alone(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    changes = Changes(scene.api, Journal.for_run("alive", cluster="edge"), "alive")
    changes.create(config_map("left", scene.namespace), foreign="test")

    assert scene.sweep() == 0
    assert "left" in scene.names()
    assert capsys.readouterr().out == "run alive is under way: left alone\nnothing to undo for edge\n"
    changes.undo_all()


def test_a_run_in_a_pod_is_swept_from_another_with_a_login_of_its_own(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    left = scene.dead_pod()

    assert scene.sweep() == 0

    assert "left" not in scene.names()
    assert not left.path.exists()
    assert "run dead on nightly-28-x7k2p, begun 2 hours ago: 1 to undo" in capsys.readouterr().out


def test_a_run_in_another_pod_that_still_holds_the_cluster_is_left_alone(
    scene: Scene, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hold_and_make(changes: Changes) -> None:
        changes.take_lease(scene.namespace, Level.CREATE).end()
        changes.create(config_map("left", scene.namespace), foreign="test")

    with monkeypatch.context() as there:
        there.setattr("clusters.journal.run_origin.place", lambda: "another-boot/4026532")
        left = scene.dead_pod(hold_and_make)

    assert scene.sweep() == 0
    assert "left" in scene.names()
    assert "run dead is under way on nightly-28-x7k2p: left alone" in capsys.readouterr().out

    long_ago = {"spec": {"renewTime": "2020-01-01T00:00:00.000000Z"}}
    scene.api.patch(LEASES, cluster_lease.NAME, long_ago, scene.namespace)
    assert scene.sweep() == 0
    assert "left" not in scene.names()
    assert not left.path.exists()


def test_where_nobody_may_see_who_holds_the_cluster_a_run_elsewhere_is_not_swept(
    scene: Scene, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    left = scene.dead_pod()
    name, rbac = f"blind-{scene.namespace}", "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]}
    role = {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": [rule]}
    scene.api.create(role)
    subject = {"apiGroup": rbac, "kind": "User", "name": "blind"}
    reference = {"apiGroup": rbac, "kind": "ClusterRole", "name": name}
    scene.api.create(role | {"kind": "ClusterRoleBinding", "roleRef": reference, "subjects": [subject]})
    scene.use(server.kubeconfig_for("blind"))

    assert scene.sweep() == ExitCode.CLEANUP_FAILED
    assert "Whether it still runs on nightly-28-x7k2p cannot be seen" in capsys.readouterr().err
    assert left.path.exists()


def test_what_another_profile_of_the_same_cluster_left_is_undone_too(scene: Scene) -> None:
    left = scene.dead_run(cluster="laptop")

    assert scene.sweep() == 0
    assert "left" not in scene.names()
    assert not left.path.exists()


def test_a_damaged_journal_hides_no_other_and_what_it_says_is_undone(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = scene.dead_run()
    lines = damaged.path.read_text().splitlines()
    broken = '{"seq": 2, "change": "delete service a/web", "undo": garbage'
    damaged.path.write_text("\n".join([lines[0], broken, *lines[1:], ""]))
    whole = scene.dead_run(
        lambda run: run.create(config_map("more", scene.namespace), foreign="test"), run="other"
    )
    nobody = whole.path.with_name("nobody.jsonl")
    nobody.write_text('garbage\n{"seq": 1, "change": "create pod a/b", "undo": {"kind": "nothing"}}\n')

    assert scene.sweep() == ExitCode.CLEANUP_FAILED

    assert not scene.names() & {"left", "more"}
    assert not whole.path.exists()
    told = capsys.readouterr().err
    assert (
        f"The journal {damaged.path} of run dead is damaged: line 2 is damaged (it was about: delete service a/web)."
        in told
    )
    assert f"The journal {nobody} is damaged: it does not say whose it is; line 1 is damaged." in told
    assert "not undone: create pod a/b" in told

    assert scene.sweep() == ExitCode.CLEANUP_FAILED, "somebody has to look at them first"
    damaged.path.unlink()
    nobody.unlink()
    assert scene.sweep() == 0


def test_what_was_deleted_long_ago_is_not_made_again_unasked(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.api.create(config_map("gone", scene.namespace, k="0"))

    def act(changes: Changes) -> None:
        changes.create(config_map("left", scene.namespace), foreign="test")
        changes.delete(CONFIG_MAPS, "gone", scene.namespace, foreign="test")

    left = scene.dead_run(act, old=10 * 86400.0)

    assert scene.sweep("--list") == 0
    assert "  delete configMap" in (listed := capsys.readouterr().out)
    assert "(only with --restore-old)" in listed
    assert scene.sweep() == ExitCode.CLEANUP_FAILED
    assert not scene.names() & {"left", "gone"}
    told = capsys.readouterr()
    assert "run dead, begun 10 days ago: 2 to undo" in told.out
    assert (
        f"delete configMap {scene.namespace}/gone: this was 10 days ago, and somebody may want it gone by now"
        in told.err
    )
    assert (
        f"python -m clusters.sweep --cluster {scene.profile} --restore-old; to leave it: delete {left.path}"
        in told.err
    )

    assert scene.sweep("--restore-old") == 0
    assert "gone" in scene.names()
    assert not left.path.exists()


def test_what_somebody_removed_with_its_namespace_or_its_kind_is_not_made_again(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = {"resource": asdict(CONFIG_MAPS), "name": "a", "namespace": "no-such-namespace", "uid": "u",
               "kind": "create", "object": config_map("a", "no-such-namespace")}  # fmt: skip
    pool = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": "a", "namespace": "default"},
    }
    no_kind = {"resource": asdict(IP_ADDRESS_POOLS), "name": "a", "namespace": "default", "uid": "u",
               "kind": "create", "object": pool}  # fmt: skip

    def act(changes: Changes) -> None:
        changes._maker.record("delete a", missing)
        changes._maker.record("delete b", no_kind)

    scene.dead_run(act)

    assert scene.sweep() == 0
    told = capsys.readouterr().out
    assert "configMap no-such-namespace/a was not made again: its namespace no-such-namespace is gone" in told
    assert (
        "IPAddressPool default/a was not made again: the cluster has no ipaddresspools.metallb.io any more"
        in told
    )


def test_what_cannot_be_undone_is_named_and_stays_in_the_journal(
    scene: Scene, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = scene.dead_run()

    def refuse(*_: object, **__: object) -> None:
        raise ValueError("no")

    with monkeypatch.context() as broken:
        broken.setattr(Api, "delete", refuse)
        assert scene.sweep() == ExitCode.CLEANUP_FAILED
    assert f"create configMap {scene.namespace}/left: ValueError: no" in capsys.readouterr().err
    assert journal.path.exists()

    assert scene.sweep() == 0
    assert not journal.path.exists()


def test_another_cluster_behind_the_same_context_is_not_touched(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.dead_run(uid="another")

    assert scene.sweep() == ExitCode.CLEANUP_FAILED
    assert "now leads to cluster" in capsys.readouterr().err
    assert "left" in scene.names()


def test_a_cluster_that_is_away_keeps_its_journal(
    scene: Scene, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    away = write_kubeconfig(tmp_path / "away", f"https://127.0.0.1:{free_port()}", server.authority, "admin")
    journal = scene.dead_run(kubeconfig=str(away))
    scene.use(away)

    assert scene.sweep() == ExitCode.CLEANUP_FAILED
    assert "cannot be reached" in capsys.readouterr().err
    assert journal.path.exists()


def test_where_the_profile_leads_elsewhere_now_the_run_s_own_way_is_gone(
    scene: Scene, server: Server, tmp_path: Path
) -> None:
    scene.dead_run()
    away = write_kubeconfig(tmp_path / "away", f"https://127.0.0.1:{free_port()}", server.authority, "admin")
    scene.use(away)

    assert scene.sweep() == 0
    assert "left" not in scene.names()


def test_a_login_is_not_taken_from_a_journal_that_others_may_write_to(
    scene: Scene, server: Server, tmp_path: Path
) -> None:
    scene.dead_run().path.chmod(0o666)
    away = write_kubeconfig(tmp_path / "away", f"https://127.0.0.1:{free_port()}", server.authority, "admin")
    scene.use(away)

    assert scene.sweep() == ExitCode.CLEANUP_FAILED
    assert "left" in scene.names()


@pytest.mark.parametrize("change", [{"kubeconfig": "/gone"}, {"uid": "an-earlier-lab"}])
def test_a_lab_that_is_no_more_took_everything_with_it(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, str]
) -> None:
    journal = scene.dead_run(**change)
    profile = tmp_path / "lab.yaml"
    profile.write_text("name: edge\nprovider: lab\ndisposable: true\n")

    assert sweep.main(["--cluster", str(profile)]) == 0
    assert capsys.readouterr().out == "run dead: its cluster is gone, and what was left to undo with it\n"
    assert not journal.path.exists()


def test_a_mistake_on_the_command_line_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep.main(["--cluster", "nowhere"]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("error: There is no profile named 'nowhere'")


@pytest.fixture
def everything(
    api: Api, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], dict[str, Any]]:
    """Objects for the victim to work on, and a way to see all that it may change."""
    monkeypatch.setattr(workloads, "lower", victim.lower, raising=False)
    monkeypatch.setitem(undo_forms.ACTIONS, "clusters.workloads:lower", {"path": lambda _: True})
    api.create(config_map("kept", namespace, k="0", theirs="1"))
    api.create(config_map("gone", namespace, k="0"))
    api.create(service("theirs", namespace, type="LoadBalancer"))
    api.create(node(namespace))

    def look() -> dict[str, Any]:
        found = api.list(CONFIG_MAPS, namespace) + api.list(SERVICES, namespace)
        seen: dict[str, object] = {
            f"{each['kind']}/{each['metadata']['name']}": storable(each) for each in found
        }
        seen["labels"] = api.get(NODES, namespace)["metadata"]["labels"]
        seen["flag"] = (tmp_path / "flag").exists()
        return seen

    return look


def run_and_kill(server: Server, namespace: str, flag: Path, after: float) -> None:
    command = [sys.executable, "-m", "tests.api.victim", str(server.admin), namespace, str(flag)]
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, env={**os.environ})
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        threading.Event().wait(after)
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def test_after_a_kill_at_any_moment_a_sweep_leaves_everything_as_it_was(
    server: Server, scene: Scene, everything: Callable[[], dict[str, Any]], tmp_path: Path
) -> None:
    before = everything()
    rng = random.Random(7)
    dirty = 0
    for _ in range(MOMENTS):
        run_and_kill(server, scene.namespace, tmp_path / "flag", after=rng.uniform(0, 0.8))
        dirty += everything() != before

        assert scene.sweep() == 0
        assert everything() == before
        assert list(scene.state.rglob("*.jsonl")) == []
    assert dirty > 0, "no kill came in the middle of a change, so nothing was shown"
