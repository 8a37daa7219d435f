"""The speakers' counts of answers before and after the vantage asked: which of them answered it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from clusters.metallb.ranges import AddressError, parse_address
from clusters.observation.parts import Status
from clusters.observation.snapshot import AnswerCount, AnswerCounts, PodMetrics

_NAMES = frozenset({"metallb_layer2_responses_sent", "metallb_layer2_responses_sent_total"})


def compared(before: Iterable[PodMetrics], after: Iterable[PodMetrics]) -> AnswerCounts:
    """The counts of those pods that were read both times; where none was, why not."""
    first = {page.pod: page for page in before if page.readable}
    second = tuple(after)
    both = {page.pod: page for page in second if page.readable and page.pod in first}
    if not both:
        unread = next((page for page in second if not page.readable), None)
        if unread is None:
            return AnswerCounts(detail="no speaker's metrics were read before the questions")
        failed = unread.status if not unread.ok else Status.FAILED
        return AnswerCounts(status=failed, detail=unread.detail, verb=unread.verb, resource=unread.resource)
    counts = tuple(
        AnswerCount(pod=pod, address=address, before=earlier.get(address, 0), after=count)
        for pod, page in sorted(both.items())
        for earlier in [_by_address(first[pod])]
        for address, count in sorted(_by_address(page).items())
    )
    return AnswerCounts(status=Status.OK, pods=tuple(sorted(both)), counts=counts)


def _by_address(page: PodMetrics) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for sample in page.samples:
        if sample.name in _NAMES and sample.value >= 0:
            try:
                address = str(parse_address(sample.labels.get("ip", "")))
            except AddressError:
                continue
            found[address] = found.get(address, 0) + int(sample.value)
    return found
