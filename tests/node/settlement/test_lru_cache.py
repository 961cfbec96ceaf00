"""LruCache answers: bounded, and what is asked for stays."""

from node.settlement.lru_cache import LruCache


def test_the_one_not_asked_for_longest_goes_first() -> None:
    recent: LruCache[int, str] = LruCache(2)
    recent.put(1, "one")
    recent.put(2, "two")

    assert recent.get(1) == "one"
    assert recent.put(3, "three") == "three"

    assert [recent.get(key) for key in (1, 2, 3)] == ["one", None, "three"]


def test_a_key_that_is_put_again_has_its_new_value() -> None:
    recent: LruCache[int, str] = LruCache(1)

    recent.put(1, "old")
    recent.put(1, "new")

    assert recent.get(1) == "new"
