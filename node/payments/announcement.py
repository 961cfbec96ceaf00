"""What the headers of an answer say was charged, to clients that sum these charges up and sign vouchers for the sum.

Such a client believes it was charged `announced`, and signs `announced + amount` for its next request. A whole answer
announces its fee. The headers of a stream precede the fee, so they announce the ceiling, and the rest becomes credit:
`credit = announced − charged ≥ 0`. Credit lowers later announcements, but none below one base unit: a charge of nothing
would make the client sign the same voucher again, and a voucher is spent only once.

Source: scheme `batch-settlement` of x402 v2: the client adds `chargedAmount`, which may not exceed `amount`.
"""


def charge_of_whole_answer(fee: int, credit: int) -> int:
    """The charge that the headers of a whole answer announce, in base units; nothing for an answer that is free."""
    return max(1, fee - credit) if fee else 0


def charge_of_stream(amount: int, credit: int) -> int:
    """The charge that the headers of a stream announce: what the request can cost beyond the credit, in base units."""
    return max(1, amount - credit)
