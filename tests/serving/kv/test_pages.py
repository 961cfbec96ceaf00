"""The page pool's conservation law."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.kv.pages import PAGE_TOKENS, PagePool, pages_for


@given(st.lists(st.integers(0, 9), max_size=60))
def test_pages_are_conserved_whatever_is_taken_and_given_back(sizes: list[int]) -> None:
    pool = PagePool(32)
    held: list[list[int]] = []

    for size in sizes:
        if size <= pool.free and size:
            held.append(pool.take(size))
        elif held:
            pool.give_back(held.pop(0))
        pool.check_integrity()
        assert pool.held == sum(map(len, held))

    for pages in held:
        pool.give_back(pages)
    assert pool.free == 32


def test_giving_a_page_back_twice_is_our_own_mistake_and_stops_us() -> None:
    pool = PagePool(4)
    pages = pool.take(2)
    again = list(pages)
    pool.give_back(pages)

    with pytest.raises(AssertionError):
        pool.give_back(again)


def test_a_page_holds_a_fixed_number_of_tokens() -> None:
    assert [pages_for(tokens) for tokens in (0, 1, PAGE_TOKENS, PAGE_TOKENS + 1)] == [0, 1, 1, 2]
