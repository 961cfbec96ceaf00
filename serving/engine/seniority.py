"""The order in which sequences keep their memory when there is not enough for all."""

from collections import Counter
from collections.abc import Iterable
from collections.abc import Sequence as Ordered

from serving.engine.sequence import Sequence
from serving.kv.pages import pages_for
from serving.types import AdapterDigest

_HEADROOM = 8
"""A flow that runs already gets pages for another sequence only while num_pages // _HEADROOM pages stay free."""
Flow = tuple[str, AdapterDigest | None]
"""A tenant's requests for one adapter. Flows get equal shares."""


def flow_of(sequence: Sequence) -> Flow:
    """The flow that a sequence belongs to."""
    return sequence.request.tenant, sequence.adapter


def seniority(sequence: Sequence) -> int:
    """The number of sequences that ran for the first time before this one did."""
    assert sequence.seniority is not None, "only a sequence that has run has a seniority"
    return sequence.seniority


def by_claim(running: Ordered[Sequence]) -> list[Sequence]:
    """Orders the running sequences by their claim to memory: every flow's first, then every flow's second, and so on.

    running: in the order of seniority, which also decides within each round. So a flow that floods the node loses its
    own later sequences before it costs another flow its only one. The most senior sequence of all has the first claim
    until it ends, so one sequence always advances.
    """
    before: Counter[Flow] = Counter()
    ranked = []
    for sequence in running:
        flow = flow_of(sequence)
        ranked.append((before[flow], seniority(sequence), sequence))
        before[flow] += 1
    return [sequence for _, _, sequence in sorted(ranked, key=lambda each: each[:2])]


def flow_count(running: Ordered[Sequence]) -> int:
    """The number of flows of these sequences. In the order of claims, the first sequence of each comes before it."""
    return len({flow_of(each) for each in running})


def spare_pages(running: Ordered[Sequence], num_pages: int, *, is_newcomer: bool) -> int:
    """The pages that must stay free when a sequence is admitted to those that run.

    Keeps one growth page free for each flow's senior sequence, and for every running sequence if the candidate's flow
    already runs. is_newcomer: whether its flow runs nothing.
    """
    growers = by_claim(running)[: flow_count(running)] if is_newcomer else running
    growing = sum(len(each.page_table) < pages_for(each.longest_len) for each in growers)
    return growing if is_newcomer else max(growing, num_pages // _HEADROOM)


def youngest_holder(sequences: Iterable[Sequence], keep: Sequence) -> Sequence | None:
    """The sequence that began last among those that hold pages, except `keep`."""
    return max((each for each in sequences if each.page_table and each is not keep), key=seniority, default=None)
