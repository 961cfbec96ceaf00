"""Who keeps its memory when there is not enough for all."""

from collections import Counter
from collections.abc import Iterable
from collections.abc import Sequence as Ordered

from serving.engine.sequence import Sequence
from serving.types import AdapterDigest

Flow = tuple[str, AdapterDigest | None]
"""What shares are equal for: a tenant's requests for one adapter."""


def flow_of(sequence: Sequence) -> Flow:
    return sequence.request.tenant, sequence.adapter


def seniority(sequence: Sequence) -> int:
    """The place of a sequence among all that ever ran."""
    assert sequence.seniority is not None, "only what has run has a place"
    return sequence.seniority


def by_claim(running: Ordered[Sequence]) -> list[Sequence]:
    """running, by seniority, in the order of their claims: every flow's first, then every flow's second, and so on.

    So a flow that floods loses its own latecomers before it costs another flow its only sequence. The most senior one
    of all has the first claim, which it keeps until it ends; so whatever happens to the others, one always goes on.
    """
    before: Counter[Flow] = Counter()
    ranked = []
    for sequence in running:
        flow = flow_of(sequence)
        ranked.append((before[flow], seniority(sequence), sequence))
        before[flow] += 1
    return [sequence for _, _, sequence in sorted(ranked, key=lambda each: each[:2])]


def flows(running: Ordered[Sequence]) -> int:
    """How many flows these sequences are of; by claim, the firsts of each come before this index."""
    return len({flow_of(each) for each in running})


def youngest_holder(sequences: Iterable[Sequence], keep: Sequence) -> Sequence | None:
    """Of those that hold pages, but `keep`, the one that began last."""
    return max((each for each in sequences if each.page_table and each is not keep), key=seniority, default=None)
