"""Kubernetes quantities as numbers."""

from decimal import Decimal

import pytest

from parley_operator.injector.quantity import Quantity, amount


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("1", "1"),
        (2, "2"),
        (0.5, "0.5"),
        ("500m", "0.5"),
        ("250000u", "0.25"),
        ("1k", "1000"),
        ("1Ki", "1024"),
        ("1.5Gi", "1610612736"),
        ("2E", "2000000000000000000"),
        ("1e3", "1000"),
        ("12E2", "1200"),
        ("5.", "5"),
        (".5", "0.5"),
    ],
)
def test_a_quantity_is_a_plain_number(quantity: Quantity, expected: str) -> None:
    """Every notation that the API server accepts is read."""
    assert Decimal(expected) == amount(quantity)


@pytest.mark.parametrize("text", ["", "m", "1 Gi", "1gi", "one", "1Gi\n", "0x10", "1e333", "--1"])
def test_what_is_not_a_quantity_is_said_so(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="not a quantity"):
        amount(text)
