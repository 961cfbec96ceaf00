"""Pages have one name if and only if the same weights read the same tokens for the same tenant."""

from hypothesis import given
from hypothesis import strategies as st

from serving.kv.pages import PAGE_TOKENS
from serving.kv.prefix import PageKeys
from serving.types import AdapterDigest, BaseDigest

BASE = BaseDigest("b" * 64)
ADAPTERS = (None, AdapterDigest("0" * 64), AdapterDigest("1" * 64))
TOKENS = st.lists(st.sampled_from([0, 1, 2**32 - 1]), max_size=4 * PAGE_TOKENS)


@given(TOKENS, TOKENS, st.integers(0, 4 * PAGE_TOKENS))
def test_keys_agree_exactly_as_far_as_whole_pages_of_the_beginnings_do(
    one: list[int], tail: list[int], common: int
) -> None:
    other = one[:common] + tail

    names = [PageKeys(BASE, None, "t").of(tokens, len(tokens)) for tokens in (one, other)]

    for i, (a, b) in enumerate(zip(*names, strict=False)):
        end = (i + 1) * PAGE_TOKENS
        assert (a == b) == (one[:end] == other[:end])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=70), st.lists(st.integers(0, 70), max_size=9))
def test_keys_are_the_same_however_they_are_asked_for(tokens: list[int], lengths: list[int]) -> None:
    whole = PageKeys(BASE, None, "t").of(tokens, len(tokens))
    bit_by_bit = PageKeys(BASE, None, "t")

    for asked in lengths:
        length = min(asked, len(tokens))
        assert bit_by_bit.of(tokens[:length], length) == whole[: length // PAGE_TOKENS]


def test_no_two_salts_share_a_key() -> None:
    tokens = list(range(2 * PAGE_TOKENS))
    tenants = ("", "t", "t\n", "\nt", "0" * 64, "0" * 64 + "\nt")
    salts = [(base, adapter, tenant) for base in (BASE, "c" * 64) for adapter in ADAPTERS for tenant in tenants]

    found = [key for base, adapter, tenant in salts for key in PageKeys(base, adapter, tenant).of(tokens, len(tokens))]  # type: ignore[arg-type]

    assert len(set(found)) == 2 * len(salts)


@given(st.integers(0, 70), st.integers(0, 70))
def test_an_adapter_that_acts_later_shares_exactly_the_pages_before_with_the_base(one: int, other: int) -> None:
    tokens = list(range(5 * PAGE_TOKENS))
    adapter = ADAPTERS[1]

    base = PageKeys(BASE, None, "t").of(tokens, len(tokens))
    first, second = (PageKeys(BASE, adapter, "t", start).of(tokens, len(tokens)) for start in (one, other))

    assert [a == b for a, b in zip(base, first, strict=True)] == [page < one // PAGE_TOKENS for page in range(5)]
    shared = 5 if one == other else min(one, other) // PAGE_TOKENS
    assert [a == b for a, b in zip(first, second, strict=True)] == [page < shared for page in range(5)]


def test_an_adapter_that_acts_on_everything_has_the_keys_of_its_digest_alone() -> None:
    tokens = list(range(2 * PAGE_TOKENS))

    assert PageKeys(BASE, ADAPTERS[1], "t", 0).of(tokens, 32) == PageKeys(BASE, ADAPTERS[1], "t").of(tokens, 32)
