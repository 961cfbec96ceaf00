"""Amounts as people read them."""

_UNIT = 10**18


def amount(base_units: object) -> str:
    """A decimal string of base units in OPEN, exactly: no digit is lost or made up."""
    whole, rest = divmod(int(str(base_units)), _UNIT)
    decimals = f"{rest:018d}".rstrip("0")
    return f"{whole}.{decimals} OPEN" if decimals else f"{whole} OPEN"
