"""Kubernetes quantities, as far as the injector compares them: amounts of CPU and of memory.

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

import re
from decimal import Decimal
from typing import Annotated, Final

import msgspec

_BINARY: Final = {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)}
_DECIMAL: Final = {
    "n": "-9",
    "u": "-6",
    "m": "-3",
    "": "0",
    "k": "3",
    "M": "6",
    "G": "9",
    "T": "12",
    "P": "15",
    "E": "18",
}
_FACTORS: Final = _BINARY | {suffix: Decimal(f"1E{exponent}") for suffix, exponent in _DECIMAL.items()}
_FORM: Final = r"^([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([KMGTPE]i|[numkMGTPE]?)|[eE]([+-]?[0-9]{1,2}))\Z"

Quantity = Annotated[str, msgspec.Meta(pattern=_FORM)] | int | float
"""A quantity as JSON may hold it; the API server writes strings."""


def amount(quantity: Quantity) -> Decimal:
    """Return a quantity as a plain number, of cores or of bytes.

    Raises:
        ValueError: when it is not a quantity.
    """
    form = re.match(_FORM, str(quantity))
    if not form:
        raise ValueError("not a quantity such as 250m, 0.5 or 128Mi")
    number, suffix, exponent = form.groups()
    return Decimal(number) * (_FACTORS[suffix] if exponent is None else Decimal(f"1E{exponent}"))
