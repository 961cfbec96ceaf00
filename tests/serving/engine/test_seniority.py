"""The order in which sequences keep their memory."""

from serving.engine.seniority import by_claim, flow_count, flow_of, spare_pages, youngest_holder
from serving.engine.sequence import Sequence
from serving.kv.pages import PAGE_TOKENS
from tests.serving.engine.test_scheduler import World


def running(*tenants: str) -> list[Sequence]:
    """Sequences of these tenants, in the order of their seniority."""
    world, sequences = World(pages=200), []
    for number, tenant in enumerate(tenants):
        sequence = world.submit(tenant=tenant, prompt=PAGE_TOKENS, output=PAGE_TOKENS)
        sequence.seniority = number
        sequences.append(sequence)
    return sequences


def test_every_flow_s_first_comes_before_any_flow_s_second() -> None:
    flood1, flood2, flood3, rare1, rare2 = running("flood", "flood", "flood", "rare", "rare")

    assert by_claim([flood1, flood2, flood3, rare1, rare2]) == [flood1, rare1, flood2, rare2, flood3]
    assert flow_count([flood1, flood2, flood3, rare1, rare2]) == 2


def test_a_tenant_s_requests_for_two_adapters_are_two_flows() -> None:
    world = World()

    assert flow_of(world.submit("a")) != flow_of(world.submit("b"))
    assert flow_of(world.submit("a")) == flow_of(world.submit("a"))


def test_a_newcomer_leaves_a_page_for_each_flow_and_others_leave_one_for_each_sequence() -> None:
    sequences = running("a", "a", "a", "b")

    assert spare_pages(sequences, 8, is_newcomer=True) == 2
    assert spare_pages(sequences, 8, is_newcomer=False) == 4
    assert spare_pages(sequences, 800, is_newcomer=False) == 100


def test_sequences_that_cannot_grow_need_no_spare_page() -> None:
    sequences = running("a", "b")
    for sequence in sequences:
        sequence.page_table = [1, 2]

    assert spare_pages(sequences, 8, is_newcomer=True) == 0


def test_the_youngest_holder_is_the_last_to_have_begun_among_those_with_pages() -> None:
    old, young, keep = running("a", "b", "c")
    old.page_table, young.page_table, keep.page_table = [1], [2], [3]

    assert youngest_holder([old, young, keep], keep) is young
    young.page_table = []
    assert youngest_holder([old, young, keep], keep) is old
    old.page_table = []
    assert youngest_holder([old, young, keep], keep) is None
