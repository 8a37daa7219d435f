"""Metrics are read from Prometheus' text format."""

from __future__ import annotations

import time

from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from clusters.observation import scrape


def test_samples_carry_their_labels_and_value() -> None:
    text = (
        "# HELP metallb_speaker_announced ...\n"
        'metallb_speaker_announced{ip="192.0.2.1",node="w1",protocol="layer2",service="a/b"} 1\n'
        "go_goroutines 7\n"
        "metallb_k8s_client_config_loaded_bool 1\n"
    )

    announced, loaded = scrape.samples(text)

    assert announced.labels == {"ip": "192.0.2.1", "node": "w1", "protocol": "layer2", "service": "a/b"}
    assert (loaded.name, loaded.labels, loaded.value) == ("metallb_k8s_client_config_loaded_bool", {}, 1.0)


def test_escaped_label_values_are_read() -> None:
    (sample,) = scrape.samples('metallb_x{a="one\\"two\\\\three\\nfour",b=","} 2e3 1700000000000\n')

    assert sample.labels == {"a": 'one"two\\three\nfour', "b": ","}
    assert sample.value == 2000.0


def test_broken_lines_are_skipped() -> None:
    assert scrape.samples("metallb_x\nmetallb_y{a= 1\nmetallb_z nothing\n") == ()


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n"), max_size=8),
        st.floats(allow_nan=False, allow_infinity=False),
        max_size=4,
    )
)
@example({"\u2028": 1.0})  # a line's end for Python, and none for Prometheus
def test_a_page_is_read_as_the_client_library_reads_it(values: dict[str, float]) -> None:
    registry = CollectorRegistry()
    gauge = Gauge("metallb_x", "what it is", ["a", "b"], registry=registry)
    for text, value in values.items():
        gauge.labels(text, "plain").set(value)
    page = generate_latest(registry).decode()

    read = [(one.name, dict(one.labels), one.value) for one in scrape.samples(page)]

    families = text_string_to_metric_families(page)
    assert read == [(one.name, one.labels, one.value) for family in families for one in family.samples]


def test_a_name_without_an_end_is_read_once() -> None:
    began = time.process_time()

    assert scrape.samples("metallb_x{" + "a" * 100_000 + "} 1")[0].labels == {}
    assert time.process_time() - began < 1.0
