"""A whole run inside pytest: outcomes, verdict and exit code."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pytest

from clusters.errors import ExitCode
from tests.unit.plugin.project import Project

PASSING = '''
@check("health.passes", runbook="1", level=OBSERVE)
def test_passes():
    """Passes."""
'''
FAILING = '''
@check("health.fails", runbook="1", level=OBSERVE, causes=("speaker-down",), commands=("kubectl get pods",))
def test_fails():
    """Fails."""
    raise CheckFailed(Finding(cause="speaker-down", subject="node w1", summary="its speaker is not ready"))
'''
UNDECIDED = '''
@check("health.unsure", runbook="1", level=OBSERVE)
def test_unsure():
    """Cannot tell."""
    raise Inconclusive("The probe gave no output.")
'''
LACKING = '''
@check("traffic.wire", runbook="2.2", level=OBSERVE, needs={"wire"})
def test_wire(vantage):
    """Looks."""

@check("overlay.repository", runbook="2.3", level=OBSERVE, needs={"repository"})
def test_repository():
    """Reads."""
'''
UNCLEAN = '''
@pytest.fixture
def taint():
    yield
    raise CleanupFailed("The taint is still on node w1.")

@check("failover.unclean", runbook="shape", level=DISRUPT)
def test_unclean(taint):
    """Leaves something behind."""
'''


def test_a_run_that_passes(project: Project) -> None:
    project.checks(PASSING)

    result = project.run()

    assert result.ret == ExitCode.PASSED
    run = project.results["run"]
    assert (run["verdict"], run["scope"], run["cluster"]) == ("passed", "none", "fake")
    assert (run["kubernetes_version"], run["metallb_version"]) == ("v1.34.4", "0.15.2")
    assert run["allow"] == "disrupt"
    assert project.check("health.passes")["title"] == "Passes"
    assert "reason" not in project.check("health.passes")


def test_a_failure_names_cause_subject_remedy_and_commands(project: Project) -> None:
    project.checks(PASSING + FAILING)

    result = project.run()

    assert result.ret == ExitCode.FAILED
    assert project.results["run"]["verdict"] == "failed"
    assert project.results["run"]["scope"] == "cluster"
    (finding,) = project.check("health.fails")["findings"]
    assert (finding["cause"], finding["subject"]) == ("speaker-down", "node w1")
    assert finding["remedy"].startswith("Find out why the pod is not ready")
    assert "kubectl -n metallb-system get pods -o wide" in finding["commands"]
    result.stdout.fnmatch_lines(
        [
            "*FAILED on fake (Kubernetes v1.34.4, MetalLB 0.15.2, level disrupt): 1 passed, 1 failed*",
            "FAILED  health.fails: its speaker is not ready",
            "  speaker-down: node w1: its speaker is not ready",
            "    remedy: Find out why the pod is not ready*",
            "    $ kubectl *",
            "report: */report.html",
        ]
    )


def test_an_undecided_check_makes_the_run_incomplete(project: Project) -> None:
    project.checks(PASSING + UNDECIDED)

    assert project.run().ret == ExitCode.INCOMPLETE
    assert project.outcomes == {"health.passes": "passed", "health.unsure": "inconclusive"}
    assert project.check("health.unsure")["reason"] == "The probe gave no output."


def test_a_clean_up_that_fails_outranks_a_failure_and_an_undecided_check(project: Project) -> None:
    project.checks(FAILING + UNDECIDED + UNCLEAN)

    result = project.run()

    assert result.ret == ExitCode.CLEANUP_FAILED
    assert project.results["run"]["verdict"] == "cleanup-failed"
    assert project.outcomes["failover.unclean"] == "failed"
    assert "clean-up failed: The taint is still on node w1." in project.check("failover.unclean")["reason"]
    result.assert_outcomes(failed=1, errors=1)


def test_a_failure_outranks_an_undecided_check(project: Project) -> None:
    project.checks(FAILING + UNDECIDED)

    assert project.run().ret == ExitCode.FAILED


def test_an_undo_that_fails_at_the_end_is_told(project: Project) -> None:
    project.cluster("undo-fails", "The namespace is still there.")
    project.checks(
        '''
        @check("allocation.x", runbook="shape", level=CREATE)
        def test_x(changes):
            """Changes."""
            changes.made.append("x")
        '''
    )

    result = project.run()

    assert result.ret == ExitCode.CLEANUP_FAILED
    assert project.outcomes == {"allocation.x": "passed"}
    assert (project.path / "cluster-log").read_text().split("\n")[:5] == [
        "opened",
        "held metallb-system at create",
        "undone x",
        "undone all",
        "closed",
    ]
    assert "The namespace is still there." in (project.directory / "junit.xml").read_text()
    result.stdout.fnmatch_lines(["The namespace is still there."])


def test_a_failed_assertion_without_a_cause_is_unexplained(project: Project) -> None:
    project.checks(
        '''
        @check("health.x", runbook="1", level=OBSERVE, commands=("kubectl get events",))
        def test_x(record):
            """Holds."""
            record.attach("seen.txt", "w1")
            assert ["w1", "w2"] == ["w1"]
        '''
    )

    assert project.run().ret == ExitCode.FAILED
    (finding,) = project.check("health.x")["findings"]
    assert finding["cause"] == "unexplained"
    assert finding["summary"].startswith("assert ['w1', 'w2'] == ['w1']")
    assert finding["commands"] == ["kubectl get events"]
    assert "evidence/health.x/seen.txt" in finding["evidence"]


def test_an_explainer_names_the_cause_and_a_broken_one_masks_nothing(project: Project) -> None:
    project.checks(
        '''
        from suites.plugin.phase_outcome import explainer

        @explainer
        def breaks(item, error):
            raise ZeroDivisionError("oops")

        @explainer
        def knows(item, error):
            return [Finding(cause="pool-exhausted", subject="pool edge", summary=f"full: {error}")]

        @check("health.x", runbook="1", level=OBSERVE, causes=("pool-exhausted",))
        def test_x():
            """Holds."""
            assert False, "no address"
        '''
    )

    assert project.run().ret == ExitCode.FAILED
    found = project.check("health.x")
    (finding,) = found["findings"]
    assert (finding["cause"], finding["summary"]) == ("pool-exhausted", "full: no address\nassert False")
    assert any("-n metallb-system get ipaddresspool edge" in one for one in finding["commands"])
    assert "the diagnosis broke: ZeroDivisionError: oops" in found["evidence"]
    assert project.results["run"]["scope"] == "pool"


def test_a_broken_check_is_inconclusive_and_shows_where(project: Project) -> None:
    project.checks(
        '''
        @check("health.x", runbook="1", level=OBSERVE)
        def test_x():
            """Holds."""
            {}["pods"]
        '''
    )

    result = project.run()

    assert result.ret == ExitCode.INCOMPLETE
    assert project.outcomes == {"health.x": "inconclusive"}
    result.stdout.fnmatch_lines(["E       KeyError: 'pods'"])


def test_a_set_up_that_does_not_hold_decides_nothing(project: Project) -> None:
    project.checks(
        '''
        @pytest.fixture
        def announced():
            assert False, "no address within 10s"

        @check("failover.x", runbook="shape", level=DISRUPT)
        def test_x(announced):
            """Moves."""
        '''
    )

    assert project.run().ret == ExitCode.INCOMPLETE
    assert project.check("failover.x")["reason"] == "set-up failed: no address within 10s"


def test_a_cause_that_the_check_does_not_declare_is_an_error_of_the_suite(project: Project) -> None:
    project.checks(
        '''
        @check("health.x", runbook="1", level=OBSERVE, causes=("pool-missing",))
        def test_x():
            """Holds."""
            raise CheckFailed(Finding(cause="speaker-down", subject="node w1", summary="it is not ready"))
        '''
    )

    assert project.run().ret == ExitCode.INCOMPLETE
    found = project.check("health.x")
    assert found["outcome"] == "inconclusive"
    assert found["reason"].startswith(
        "an error of the suite: health.x names speaker-down, which it does not declare: it is not ready"
    )


def test_findings_and_figures_are_judged_when_the_body_has_ended(project: Project) -> None:
    project.checks(
        '''
        @check("health.found", runbook="1", level=OBSERVE, causes=("pool-missing",))
        def test_found(findings):
            """Finds nothing."""
            findings.add(Finding(cause="pool-missing", subject="cluster", summary="there is no pool"))

        @check("health.slow", runbook="1", level=OBSERVE)
        def test_slow(record):
            """Is fast."""
            record.measure("moved after", 12.0, budget=10.0)
            record.measure("gap", 0.5, budget=1.0)
        '''
    )

    assert project.run().ret == ExitCode.FAILED
    assert project.check("health.found")["findings"][0]["cause"] == "pool-missing"
    slow = project.check("health.slow")
    assert slow["reason"] == "moved after: 12 s, where the budget is at most 10 s"
    assert slow["measurements"]["gap"] == {"value": 0.5, "unit": "s", "budget": 1.0, "samples": [0.5]}


@dataclass(frozen=True)
class Waived:
    days: int
    code: ExitCode
    outcome: str
    said: str

    @property
    def day(self) -> dt.date:
        return dt.datetime.now().astimezone().date() + dt.timedelta(days=self.days)


@pytest.mark.parametrize(
    "case",
    [
        Waived(0, ExitCode.PASSED, "waived", "waived until {day}: until the switch is replaced (its speaker"),
        Waived(-1, ExitCode.FAILED, "failed", "(its waiver expired on {day}: until the switch is replaced)"),
    ],
    ids=["last-day", "day-after"],
)
def test_a_waiver_holds_until_its_day_is_over(project: Project, case: Waived) -> None:
    waiver = f"{{check: health.fails, reason: until the switch is replaced, expires: {case.day}}}"
    project.add_to_profile(f"waivers: [{waiver}]")
    project.checks(FAILING)

    assert project.run().ret == case.code
    assert project.outcomes == {"health.fails": case.outcome}
    assert case.said.format(day=case.day) in project.check("health.fails")["reason"]


def test_a_waiver_by_a_pattern_covers_every_check_that_fits_and_says_so(project: Project) -> None:
    day = dt.datetime.now().astimezone().date()
    project.add_to_profile(
        f"waivers: [{{check: 'health.f*', reason: 'the old switch', expires: {day}}}, "
        f"{{check: 'traffic.*', reason: 'not ours', expires: {day}}}]"
    )
    project.checks(FAILING + LACKING)

    assert project.run().ret == ExitCode.PASSED
    assert project.outcomes == {"health.fails": "waived", "traffic.wire": "waived"}
    assert f"waived by health.f* until {day}: the old switch (" in project.check("health.fails")["reason"]


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("health.fail", "waivers.0.check: there is no check 'health.fail'; did you mean health.fails?"),
        ("healt.*", "waivers.0.check: no check fits 'healt.*'; did you mean health.*?"),
        ("health.x*", "waivers.0.check: no check fits 'health.x*'; did you mean health.*?"),
        ("'*'", "waivers.0.check: '*' is no check's id and no pattern for some of one section"),
        ("'*.fails'", "waivers.0.check: '*.fails' is no check's id and no pattern for some of one section"),
    ],
)
def test_a_waiver_of_no_check_is_refused_with_the_nearest(project: Project, check: str, said: str) -> None:
    project.add_to_profile(f"waivers: [{{check: {check}, reason: known, expires: 2099-01-01}}]")
    project.checks(FAILING)

    done = project.run()

    assert done.ret == ExitCode.USAGE
    done.stderr.fnmatch_lines([f"*line *: {said.replace('[', '[[]').replace('*', '[*]')}*"])


@pytest.mark.parametrize(("days", "code"), [(0, ExitCode.PASSED), (-1, ExitCode.INCOMPLETE)])
def test_a_waiver_covers_what_a_cluster_does_not_let_us_decide(
    project: Project, days: int, code: ExitCode
) -> None:
    day = dt.datetime.now().astimezone().date() + dt.timedelta(days=days)
    project.add_to_profile(f"waivers: [{{check: traffic.wire, reason: none here, expires: {day}}}]")
    project.checks(LACKING)

    assert project.run().ret == code
    assert project.outcomes == {"traffic.wire": "waived" if days == 0 else "inconclusive"}
    reason = project.check("traffic.wire")["reason"]
    assert "there is none" in reason
    assert (
        f"waived until {day}: none here" if days == 0 else f"its waiver expired on {day}: none here"
    ) in reason


def test_no_waiver_covers_a_check_that_broke(project: Project) -> None:
    day = dt.datetime.now().astimezone().date()
    project.add_to_profile(f"waivers: [{{check: health.broken, reason: known, expires: {day}}}]")
    project.checks(
        '''
        @check("health.broken", runbook="1", level=OBSERVE)
        def test_broken():
            """Looks."""
            raise KeyError("metadata")
        '''
    )

    assert project.run().ret != ExitCode.PASSED
    assert project.outcomes == {"health.broken": "inconclusive"}


def test_no_waiver_covers_a_failed_clean_up(project: Project) -> None:
    waiver = f"{{check: failover.unclean, reason: known, expires: {Waived(9, ExitCode.PASSED, '', '').day}}}"
    project.add_to_profile(f"waivers: [{waiver}]")
    project.checks(UNCLEAN)

    assert project.run().ret == ExitCode.CLEANUP_FAILED


def test_a_version_that_lacks_the_feature_is_not_supported_and_no_failure(project: Project) -> None:
    project.checks(
        PASSING
        + '''
@check("health.state", runbook="1", level=OBSERVE, since="0.15.3")
def test_state():
    """Is accepted."""
    assert False
'''
    )

    assert project.run().ret == ExitCode.PASSED
    assert project.check("health.state")["outcome"] == "not_supported"
    assert (
        project.check("health.state")["reason"]
        == "needs MetalLB 0.15.3 or newer, and the cluster runs 0.15.2"
    )


def test_what_a_check_needs_and_does_not_get_makes_the_run_incomplete(project: Project) -> None:
    project.checks(LACKING)

    assert project.run().ret == ExitCode.INCOMPLETE
    assert project.outcomes == {"traffic.wire": "inconclusive"}
    assert "Name one under vantage in the profile fake" in project.check("traffic.wire")["reason"]

    project.cluster("vantage", "yes")
    project.run("-k", "traffic.wire")
    assert project.outcomes == {"traffic.wire": "passed"}
    assert project.not_tested == {"overlay.repository": "deselected on the command line"}


def test_without_a_repository_nothing_is_missing_and_what_needs_one_is_not_tested(project: Project) -> None:
    project.cluster("vantage", "yes")
    project.checks(LACKING)

    assert project.run().ret == ExitCode.PASSED
    assert project.outcomes == {"traffic.wire": "passed"}
    reason = "needs the GitOps repository, and the profile fake names none under gitops"
    assert project.not_tested == {"overlay.repository": reason}


def test_a_test_elsewhere_that_fails_fails_the_run(project: Project) -> None:
    project.checks(PASSING)
    (project.path / "test_own.py").write_text("def test_own():\n    assert False\n")

    assert project.run("test_own.py").ret == ExitCode.FAILED
    assert project.results["run"]["verdict"] == "passed"


def test_only_a_run_that_changes_something_holds_the_cluster(project: Project) -> None:
    project.checks(PASSING + UNCLEAN)

    project.run("--allow", "disrupt", "-k", "passes")
    assert "held" not in (project.path / "cluster-log").read_text()

    project.run("--allow", "disrupt")
    assert "held metallb-system at disrupt" in (project.path / "cluster-log").read_text()


def test_a_run_that_lost_its_hold_changes_nothing_more(project: Project) -> None:
    (project.path / "cluster-lease-lost").write_text("The cluster's Lease is lost: run other has it.")
    project.checks(
        '''
        @check("allocation.x", runbook="shape", level=CREATE)
        def test_x(changes):
            """Changes something."""
        '''
    )

    result = project.run("--allow", "create")

    assert result.ret == ExitCode.INCOMPLETE
    assert "run other has it" in project.check("allocation.x")["reason"]
