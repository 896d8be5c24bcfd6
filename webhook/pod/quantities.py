"""Kubernetes quantities (`100m`, `128Mi`, `1.5e3`) as exact numbers, for comparison only.

The Pod gets the text as the user wrote it: the API server has its own canonical form.
"""

import re
from decimal import Decimal

# apimachinery pkg/api/resource: a signed number and a decimal, binary or exponent suffix
_QUANTITY = re.compile(
    r"([0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:([eE][-+]?[0-9]{1,2})|([numkMGTPE]|[KMGTPE]i)?)"
)
# n is 10**-9, k is 10**3, Ki is 2**10
_SUFFIXES = {
    "": Decimal(1),
    **{letter: Decimal(10) ** (3 * (power - 3)) for power, letter in enumerate("num")},
    **{letter: Decimal(10) ** (3 * power) for power, letter in enumerate("kMGTPE", start=1)},
    **{letter + "i": Decimal(2) ** (10 * power) for power, letter in enumerate("KMGTPE", start=1)},
}


def parse_quantity(text: str) -> Decimal | None:
    """The number. None for a text that is no quantity, or has a sign: a resource is never negative."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    number, exponent, suffix = match.groups()
    return Decimal(number + exponent) if exponent else Decimal(number) * _SUFFIXES[suffix or ""]
