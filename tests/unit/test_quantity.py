"""Quantities: as the Kubernetes client reads them, which would have to be imported whole for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

from clusters.objects import quantity

UNITS = st.sampled_from(["", *"numkMGTPE", *(f"{unit}i" for unit in "KMGTPE")])
NUMBERS = st.one_of(
    st.integers(-(10**12), 10**12).map(str),
    st.decimals(-1000, 1000, places=3).map("{:f}".format),
    st.integers(0, 999).map(".{}".format),
    st.integers(0, 999).map("{}.".format),
)


@given(NUMBERS, UNITS)
def test_a_quantity_is_the_number_that_the_client_reads(number: str, unit: str) -> None:
    assert quantity(number + unit) == parse_quantity(number + unit)


@given(st.integers(-999, 999), st.integers(-9, 9))
def test_an_exponent_is_read_as_the_client_reads_it(number: int, power: int) -> None:
    assert quantity(f"{number}e{power}") == parse_quantity(f"{number}e{power}")


@pytest.mark.parametrize(
    "text", ["", "many", "1 Mi", "1Kii", "1mi", "0x10", "NaN", "Infinity", "1e", "--1", "1m2"]
)
def test_what_is_no_quantity_is_none(text: str) -> None:
    assert quantity(text) is None
