"""Amounts as people read and write them."""

import re

from node.cli.failures import UsageFailure

_UNIT = 10**18
_WRITTEN = re.compile(r"([0-9]+)(?:\.([0-9]{1,18}))?\s*open", re.IGNORECASE)


def amount(base_units: object) -> str:
    """A decimal string of base units in OPEN, exactly: no digit is lost or made up."""
    whole, rest = divmod(int(str(base_units)), _UNIT)
    decimals = f"{rest:018d}".rstrip("0")
    return f"{whole}.{decimals} OPEN" if decimals else f"{whole} OPEN"


def base_units(text: str) -> int:
    """Base units from a whole number, or from an amount with its unit: 1.5OPEN."""
    if text.isascii() and text.isdecimal():
        return int(text)
    written = _WRITTEN.fullmatch(text.strip())
    if written is None:
        raise UsageFailure(f"{text!r} is no amount", "give base units, or an amount with its unit such as 1.5OPEN")
    whole, decimals = written[1], written[2] or ""
    return int(whole) * _UNIT + int(decimals.ljust(18, "0"))
