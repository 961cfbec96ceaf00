"""Amounts of OPEN as people read and write them."""

import re

from node.cli.failures import UsageFailure

UNIT = 10**18
"""Base units in one OPEN."""
_WRITTEN = re.compile(r"([0-9]+)(?:\.([0-9]{1,18}))?\s*open", re.IGNORECASE)


def amount(base_units: object) -> str:
    """An amount in base units, written exactly in OPEN: 1500000000000000000 is `1.5 OPEN`."""
    whole, rest = divmod(int(str(base_units)), UNIT)
    decimals = f"{rest:018d}".rstrip("0")
    return f"{whole}.{decimals} OPEN" if decimals else f"{whole} OPEN"


def base_units(text: str) -> int:
    """Base units from a whole number of them, or from an amount with its unit, such as 1.5OPEN. Raises UsageFailure."""
    if text.isascii() and text.isdecimal():
        return int(text)
    written = _WRITTEN.fullmatch(text.strip())
    if written is None:
        raise UsageFailure(f"{text!r} is not an amount", "give base units, or an amount with its unit such as 1.5OPEN")
    whole, decimals = written[1], written[2] or ""
    return int(whole) * UNIT + int(decimals.ljust(18, "0"))
