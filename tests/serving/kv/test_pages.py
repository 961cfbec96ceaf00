"""The page pool's conservation law, and what it remembers of a prefix."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from serving.kv.pages import PAGE_TOKENS, PageKey, PagePool, pages_for


def keys(text: str) -> list[PageKey]:
    """One key for each beginning of `text`, as a page's key stands for all tokens before it."""
    return [PageKey(text[: i + 1].encode()) for i in range(len(text))]


def publish_all(pool: PagePool, pages: list[int], text: str) -> None:
    for page, key in zip(pages, keys(text), strict=True):
        pool.publish(page, key)


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


class Prefixes(RuleBasedStateMachine):
    """Sequences over two letters come and go. What a page holds is modelled: whatever is found must hold its key."""

    tables = Bundle("tables")

    def __init__(self) -> None:
        super().__init__()
        self.pool = PagePool(12)
        self.content: dict[int, bytes] = {}
        self.held: list[list[int]] = []

    @rule(target=tables, text=st.text("ab", min_size=1, max_size=6))
    def admit(self, text: str):  # type: ignore[no-untyped-def]
        shared = self.pool.find(keys(text))
        others = len(text) - len(shared)
        if not self.pool.can_take(others, shared):
            return multiple()
        pages = self.pool.take(others, shared)
        assert pages[: len(shared)] == shared
        assert [self.content[page] for page in shared] == keys(text)[: len(shared)]
        for page, key in list(zip(pages, keys(text), strict=True))[len(shared) :]:
            assert not any(page in table for table in self.held), "a page that somebody reads was given out"
            self.content[page] = key
        self.held.append(pages)
        return pages, text, len(shared)

    @rule(table=consumes(tables), finite=st.booleans())
    def end(self, table: tuple[list[int], str, int], *, finite: bool) -> None:
        pages, text, shared = table
        self.held = [each for each in self.held if each is not pages]
        if finite:
            for page, key in list(zip(pages, keys(text), strict=True))[shared:]:
                self.pool.publish(page, key)
        else:
            self.pool.forget(pages)
            assert not set(self.pool.find(keys(text))) & set(pages)
        self.pool.give_back(pages)

    @invariant()
    def conserved(self) -> None:
        self.pool.check_integrity()
        assert self.pool.held == len({page for table in self.held for page in table})
        assert self.pool.can_take(12 - self.pool.held), "a kept page was lost to admission"


TestPrefixes = Prefixes.TestCase


def test_a_kept_page_counts_as_free_and_is_emptied_only_when_needed() -> None:
    pool = PagePool(4)
    pages = pool.take(2)
    publish_all(pool, pages, "ab")
    pool.give_back(pages)

    others = pool.take(2)
    assert len(pool.find(keys("ab"))) == 2

    assert pool.can_take(2)
    pool.take(2)
    assert pool.find(keys("ab")) == []
    assert not pool.can_take(1)
    pool.give_back(others)
    pool.check_integrity()


def test_the_longest_unused_leaves_first_and_the_end_of_a_prefix_before_its_beginning() -> None:
    pool = PagePool(4)
    for text in ("ab", "xy"):
        pages = pool.take(2)
        publish_all(pool, pages, text)
        pool.give_back(pages)
    pool.give_back(pool.take(0, pool.find(keys("ab"))))

    found = []
    for _ in range(4):
        found.append((len(pool.find(keys("ab"))), len(pool.find(keys("xy")))))
        pool.take(1)

    assert found == [(2, 2), (2, 1), (2, 0), (1, 0)]


def test_what_is_shared_cannot_be_counted_as_room_too() -> None:
    pool = PagePool(2)
    pages = pool.take(1)
    publish_all(pool, pages, "a")
    pool.give_back(pages)
    shared = pool.find(keys("ab"))

    assert pool.can_take(1, shared)
    assert not pool.can_take(2, shared)


def test_a_page_is_kept_until_its_last_holder_has_left() -> None:
    pool = PagePool(2)
    first = pool.take(1)
    publish_all(pool, first, "a")
    second = pool.take(0, pool.find(keys("a")))

    pool.give_back(first)
    assert (pool.held, pool.kept) == (1, 0)
    pool.give_back(second)
    assert (pool.held, pool.kept) == (0, 1)


def test_of_two_pages_with_the_same_tokens_one_is_found_and_the_other_becomes_free() -> None:
    pool = PagePool(4)
    first, second = pool.take(1), pool.take(1)
    publish_all(pool, first, "a")
    publish_all(pool, second, "a")

    assert pool.find(keys("a")) == first
    pool.give_back(second)
    assert pool.free == 3


def test_giving_a_page_back_twice_is_our_own_mistake_and_stops_us() -> None:
    pool = PagePool(4)
    pages = pool.take(2)
    again = list(pages)
    pool.give_back(pages)

    with pytest.raises(AssertionError):
        pool.give_back(again)


def test_a_page_holds_a_fixed_number_of_tokens() -> None:
    assert [pages_for(tokens) for tokens in (0, 1, PAGE_TOKENS, PAGE_TOKENS + 1)] == [0, 1, 1, 2]
