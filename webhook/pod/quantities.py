"""Kubernetes quantities (`100m`, `128Mi`, `1.5e3`) as exact numbers, and numbers as quantities.

A quantity that the Pod's author wrote stays as it is: the API server has its own canonical form.
"""

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

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

_WIDE = Context(prec=200)
"""Digits enough for any text that `parse_quantity` reads: 20 of them, with an exponent of up to 99"""


def parse_quantity(text: str) -> Decimal | None:
    """The number. None for a text that is no quantity, or has a sign: a resource is never negative."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    number, exponent, suffix = match.groups()
    return Decimal(number + exponent) if exponent else Decimal(number) * _SUFFIXES[suffix or ""]


def floor(resource: str, number: Decimal) -> Decimal:
    """The largest amount not above it that the API can hold: thousandths of a core, whole bytes."""
    return number.quantize(_unit(resource), ROUND_FLOOR, _WIDE)


def ceiling(resource: str, number: Decimal) -> Decimal:
    """The smallest amount not below it that the API can hold."""
    return number.quantize(_unit(resource), ROUND_CEILING, _WIDE)


def format_quantity(resource: str, number: Decimal) -> str:
    """`100m` or `2` cores, `128Mi` of another resource: a text that `parse_quantity` reads as the number."""
    whole = int(ceiling(resource, number) / _unit(resource))
    if resource == "cpu":
        return f"{whole}m" if whole % 1000 else str(whole // 1000)
    for suffix in ("Gi", "Mi", "Ki"):
        size = int(_SUFFIXES[suffix])
        if whole and whole % size == 0:
            return f"{whole // size}{suffix}"
    return str(whole)


def _unit(resource: str) -> Decimal:
    return _SUFFIXES["m"] if resource == "cpu" else Decimal(1)
