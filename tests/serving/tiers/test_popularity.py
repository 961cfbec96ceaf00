"""Request counts with a half-life of ten minutes."""

from serving.tiers.popularity import Popularity
from serving.types import AdapterDigest

A, B, C = (AdapterDigest(letter * 64) for letter in "abc")


def everything(adapter: AdapterDigest) -> bool:
    return True


def test_the_adapter_with_most_requests_is_the_most_popular() -> None:
    popularity = Popularity()
    for adapter in (A, B, B, C):
        popularity.asked(adapter, 10, now=0.0)

    assert popularity.most(10, everything) == (B, 10)
    assert popularity.most(10, lambda adapter: adapter != B) is not None
    assert popularity.most(9, everything) is None
    assert popularity.most(10, lambda adapter: False) is None


def test_after_a_half_life_two_old_requests_count_as_one() -> None:
    popularity = Popularity()
    for _ in range(3):
        popularity.asked(A, 10, now=0.0)

    for _ in range(2):
        popularity.asked(B, 10, now=601.0)

    assert popularity.most(10, everything) == (B, 10)


def test_scores_stay_finite_after_years() -> None:
    popularity = Popularity()
    for year in range(30):
        popularity.asked(A, 10, now=year * 3.2e7)
    popularity.asked(B, 10, now=29 * 3.2e7)
    popularity.asked(B, 10, now=29 * 3.2e7)

    assert popularity.most(10, everything) == (B, 10)


def test_a_forgotten_adapter_starts_anew() -> None:
    popularity = Popularity()
    popularity.asked(A, 10, now=0.0)

    popularity.forget(A)
    popularity.forget(B)

    assert (len(popularity), popularity.most(10, everything)) == (0, None)


def test_the_popular_are_remembered_when_there_are_too_many() -> None:
    popularity = Popularity()
    popularity.asked(A, 10, now=0.0)
    popularity.asked(A, 10, now=0.0)
    for i in range(10_000):
        popularity.asked(AdapterDigest(f"{i:064x}"), 10, now=0.0)

    assert len(popularity) < 10_000
    assert popularity.most(10, everything) == (A, 10)
