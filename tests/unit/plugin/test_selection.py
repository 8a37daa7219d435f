"""Which checks run: levels, selections, refusals, and what is told about the rest."""

from __future__ import annotations

import pytest

from clusters.checks import causes
from clusters.errors import ExitCode
from clusters.observation import Snapshot, save
from tests.unit.plugin.project import Project

THREE = '''
@check("health.sees", runbook="1", level=OBSERVE)
def test_sees():
    """Sees."""

@check("allocation.creates", runbook="shape", level=CREATE)
def test_creates():
    """Creates."""

@check("failover.breaks", runbook="shape", level=DISRUPT)
def test_breaks():
    """Breaks."""
'''


def test_the_level_decides_what_runs_and_the_rest_is_told(project: Project) -> None:
    project.checks(THREE)

    result = project.run(allow="observe")

    assert result.ret == ExitCode.PASSED
    assert project.outcomes == {"health.sees": "passed"}
    assert project.not_tested == {
        "allocation.creates": "needs --allow create",
        "failover.breaks": "needs --allow disrupt",
    }
    result.stdout.fnmatch_lines(["not tested (2):", "  needs --allow create: allocation.creates"])


def test_the_profile_s_ceiling_holds_too(project: Project) -> None:
    project.profile("{name: fake, provider: existing, context: nowhere, allow: create}")
    project.checks(THREE)

    project.run(allow="disrupt")

    assert set(project.outcomes) == {"health.sees", "allocation.creates"}
    assert project.not_tested == {
        "failover.breaks": "needs level disrupt, and the profile fake allows create at most"
    }


def test_only_a_profile_that_asks_for_pods_gets_them(project: Project) -> None:
    project.checks(
        '''
        @check("announcement.inside", runbook="shape", level=CREATE, needs={"pod"})
        def test_inside():
            """Reaches."""

        @check("traffic.wire", runbook="2.2", level=OBSERVE, needs={"wire"})
        def test_wire(vantage):
            """Looks."""
        '''
    )

    project.run()
    assert project.not_tested == {
        "announcement.inside": "needs a probe pod, and the profile fake does not ask for one (vantage: pod)"
    }

    project.add_to_profile("vantage: pod")
    assert project.run().ret == ExitCode.INCOMPLETE
    assert project.outcomes == {"announcement.inside": "passed", "traffic.wire": "inconclusive"}
    reason = project.check("traffic.wire")["reason"]
    assert (
        "there is none: the profile's vantage is a pod, and inside the cluster kube-proxy answers" in reason
    )
    assert project.results["run"]["vantage"] == "pod"

    project.run(allow="observe")
    assert project.not_tested == {"announcement.inside": "needs --allow create"}


def test_checks_run_from_the_least_to_the_most_intrusive(project: Project) -> None:
    project.checks(
        THREE.replace("OBSERVE", "LATER").replace("DISRUPT", "OBSERVE").replace("LATER", "DISRUPT")
    )

    project.run()

    assert list(project.outcomes) == ["failover.breaks", "allocation.creates", "health.sees"]


@pytest.mark.parametrize(
    ("arguments", "run"),
    [
        (["-k", "failover.breaks"], {"failover.breaks"}),
        (["-k", "not allocation"], {"health.sees", "failover.breaks"}),
        (["-m", "disrupt or create"], {"allocation.creates", "failover.breaks"}),
        (["-m", 'runbook(section="1")'], {"health.sees"}),
        (["-m", 'check(level="create")'], {"allocation.creates"}),
        (["--deselect", "suites/test_checks.py::test_sees"], {"allocation.creates", "failover.breaks"}),
    ],
)
def test_any_selection_of_pytest_works_and_is_told(
    project: Project, arguments: list[str], run: set[str]
) -> None:
    project.checks(THREE)

    assert project.run(*arguments).ret == ExitCode.PASSED
    assert set(project.outcomes) == run
    everything = {"health.sees", "allocation.creates", "failover.breaks"}
    assert project.not_tested == dict.fromkeys(everything - run, "deselected on the command line")


def test_nothing_collected_is_no_success(project: Project) -> None:
    project.checks(THREE)

    assert project.run("-k", "nothing_like_it").ret == ExitCode.NOTHING_COLLECTED
    assert len(project.not_tested) == 3
    assert project.results["run"]["verdict"] == "incomplete"


def test_a_cluster_must_be_named(project: Project) -> None:
    (project.path / "clusters" / "profiles").mkdir(parents=True)
    (project.path / "clusters" / "profiles" / "lab.yaml").write_text("")
    project.checks(THREE)

    for arguments in (["suites"], ["."], ["suites/test_checks.py::test_sees"]):
        result = project.pytest(*arguments)
        assert result.ret == ExitCode.USAGE
        result.stderr.fnmatch_lines(["*pass --cluster NAME (homelab, jls, lab, lab-traefik, local).*"])
    assert not (project.path / "reports").exists()


def test_looking_at_checks_needs_no_cluster(project: Project) -> None:
    project.checks(THREE)

    result = project.pytest("suites", "--collect-only", "-q")

    assert result.ret == ExitCode.PASSED
    result.stdout.fnmatch_lines(["suites/test_checks.py::test_sees", "3 tests collected*"])
    assert not (project.path / "reports").exists()


def test_a_profile_that_is_wrong_is_one_sentence(project: Project) -> None:
    project.checks(THREE)
    project.add_to_profile("alow: create")

    result = project.run()

    assert result.ret == ExitCode.USAGE
    assert "fake.yaml" in result.stderr.str()
    assert "alow" in result.stderr.str()
    assert "Traceback" not in result.stderr.str()


@pytest.mark.parametrize(
    "arguments", [["--repeat", "0"], ["--patience", "-1"], ["--patience", "nan"], ["--allow", "all"]]
)
def test_an_option_that_makes_no_sense_is_refused(project: Project, arguments: list[str]) -> None:
    project.checks(THREE)

    result = project.run(*arguments)

    assert result.ret == ExitCode.USAGE
    assert arguments[0] in result.stderr.str()


def test_a_directory_that_cannot_be_made_is_refused(project: Project) -> None:
    project.checks(THREE)
    (project.path / "file").write_text("")

    result = project.run("--report-dir", "file/below")

    assert result.ret == ExitCode.USAGE
    result.stderr.fnmatch_lines(["*--report-dir *file/below cannot be used: Not a directory.*"])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("def test_x():\n    pass\n", "suites/test_wrong.py: test_x is not declared: give it @check*"),
        (
            '@check("health.sees", runbook="1", level=OBSERVE)\ndef test_x():\n    """Sees."""\n',
            "*check health.sees: the id is already taken by test_checks.py:*",
        ),
        (
            '@check("health.x", runbook="1", level=OBSERVE)\ndef test_x():\n    pass\n',
            "*check health.x: its docstring is missing; the first line is the promise.",
        ),
        (
            "class TestX:\n    def test_x(self):\n        pass\n",
            "suites/test_wrong.py: test_x is not declared: give it @check*",
        ),
    ],
)
def test_a_check_that_is_declared_wrongly_stops_collection(project: Project, body: str, said: str) -> None:
    project.checks(THREE)
    project.checks(body, name="test_wrong.py")

    result = project.run()

    assert result.ret == ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([said])
    assert not (project.path / "cluster-log").exists()
    assert project.results["run"]["verdict"] == "incomplete"


def test_tests_outside_suites_may_be_anything(project: Project) -> None:
    (project.path / "test_own.py").write_text("def test_own():\n    pass\n")

    assert project.pytest("test_own.py").ret == ExitCode.PASSED
    assert not (project.path / "reports").exists()


def test_repetitions_are_one_check(project: Project) -> None:
    project.checks(
        '''
        @check("failover.moves", runbook="shape", level=DISRUPT, measured=True)
        def test_moves(record, repetition):
            """Moves."""
            record.measure("moved after", float(repetition), budget=2.5)

        @check("failover.once", runbook="shape", level=DISRUPT)
        def test_once(record):
            """Moves, too."""
            record.measure("moved after", 1.0)
        '''
    )

    assert project.run("--repeat", "3").ret == ExitCode.FAILED
    figure = project.check("failover.moves")["measurements"]["moved after"]
    assert figure == {"value": 3.0, "unit": "s", "budget": 2.5, "samples": [1.0, 2.0, 3.0]}
    assert project.check("failover.moves")["reason"].startswith("moved after: 3 s")
    assert project.check("failover.once")["measurements"]["moved after"]["samples"] == [1.0]


def test_variants_are_one_check_with_figures_of_their_own(project: Project) -> None:
    project.checks(
        '''
        @pytest.mark.parametrize("grace", [0, 30], ids=["killed", "graceful"])
        @check("failover.moves", runbook="shape", level=DISRUPT, measured=True)
        def test_moves(record, grace):
            """Moves."""
            record.measure("moved after", grace + 1.0)
            record.attach("log.txt", "x")
            assert grace == 0
        '''
    )

    assert project.run("--repeat", "2").ret == ExitCode.FAILED
    found = project.check("failover.moves")
    assert found["measurements"]["moved after (killed)"]["samples"] == [1.0, 1.0]
    assert found["measurements"]["moved after (graceful)"]["samples"] == [31.0, 31.0]
    assert "evidence/failover.moves/1of2-killed/log.txt" in found["evidence"]


def test_explain_prints_a_check_s_page_and_runs_nothing(project: Project) -> None:
    project.checks(
        '''
        @check("health.sees", runbook="2.1", level=OBSERVE, causes=("speaker-down",),
               commands=("kubectl get pods",), measured=True, since="0.14.6")
        def test_the_speakers_run():
            """Speakers run.

            On every node.
            """
            assert False
        '''
    )

    result = project.pytest_apart("--explain", "health.sees")

    assert result.ret == ExitCode.PASSED
    result.stdout.fnmatch_lines(
        [
            "health.sees: The speakers run",
            "  Speakers run.",
            "  On every node.",
            "Runbook: 2.1",
            "Level:   observe (needs cluster)",
            "Since:   MetalLB 0.14.6",
            "  $ kubectl get pods",
            "  speaker-down",
            f"    Remedy: {causes.get('speaker-down').remedy}",
        ]
    )


def test_explain_has_the_page_of_a_cause_as_well(project: Project) -> None:
    result = project.pytest_apart("--explain", "speaker-down")

    assert result.ret == ExitCode.PASSED
    cause = causes.get("speaker-down")
    assert {f"{cause.id}: {cause.title}", f"Remedy:   {cause.remedy}"} <= set(result.outlines)


def test_explain_helps_with_a_misspelt_id(project: Project) -> None:
    project.checks(THREE)

    result = project.pytest_apart("--explain", "failover.brakes")

    assert result.ret == ExitCode.USAGE
    result.stderr.fnmatch_lines(["*There is no check failover.brakes. Did you mean failover.breaks*"])


def test_a_run_without_a_path_is_one_of_the_suites(project: Project) -> None:
    project.checks(THREE)
    (project.path / "tests" / "unit" / "test_own.py").write_text("def test_own():\n    assert False\n")

    assert project.pytest("--cluster", "fake.yaml").ret == ExitCode.PASSED
    assert set(project.outcomes) == {"health.sees"}


def test_a_kept_observation_needs_neither_cluster_nor_profile(project: Project) -> None:
    kept = Snapshot(
        taken_at="2026-01-01T00:00:00Z", cluster="edge", context="admin@edge", kubernetes_version="v1.30.1"
    )
    save(kept, project.path / "kept.json")
    project.checks(
        THREE
        + '''
@check("traffic.wire", runbook="2.2", level=OBSERVE, needs={"wire"})
def test_wire(snapshot):
    """Was seen."""
    assert snapshot.cluster == "edge"
'''
    )

    result = project.pytest("suites", "--snapshot", "kept.json", "--allow", "disrupt")

    assert result.ret == ExitCode.PASSED
    assert project.outcomes == {"health.sees": "passed", "traffic.wire": "passed"}
    run = project.results["run"]
    assert (run["cluster"], run["context"], run["kubernetes_version"]) == ("edge", "admin@edge", "v1.30.1")
    assert run["allow"] == "observe"
    assert not (project.path / "cluster-log").exists()


def test_a_kept_observation_that_is_none_is_one_sentence(project: Project) -> None:
    project.checks(THREE)
    (project.path / "kept.json").write_text("{}")

    result = project.pytest("suites", "--snapshot", "kept.json")

    assert result.ret == ExitCode.USAGE
    assert "kept.json" in result.stderr.str()
    assert "Traceback" not in result.stderr.str()


def test_a_run_can_be_named_as_a_shard(project: Project) -> None:
    project.checks(THREE)

    assert project.run("--run-id", "nightly-0101.2").ret == ExitCode.PASSED
    assert project.results["run"]["id"] == "nightly-0101.2"
    assert project.directory.resolve().name == "nightly-0101.2"


@pytest.mark.parametrize("name", ["Nightly", "a.b.c", "a/b", "-a", "a.", "x" * 41, "../a", "a b"])
def test_a_name_that_cannot_be_a_label_is_refused(project: Project, name: str) -> None:
    project.checks(THREE)

    result = project.run_apart(f"--run-id={name}")

    assert result.ret == ExitCode.USAGE
    result.stderr.fnmatch_lines(["*is not a run's name: lower case letters*"])
