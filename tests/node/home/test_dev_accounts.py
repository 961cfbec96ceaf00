"""The names of the public development accounts."""

import pytest

from local_chain.accounts import dev_accounts
from node.home.dev_accounts import dev_account, dev_account_keys


@pytest.mark.parametrize(
    ("name", "index"),
    [("deployer", 0), ("operator", 1), ("payer", 2), ("contributor-1", 10), ("contributor-12", 21)],
)
def test_a_name_leads_to_the_public_key(name: str, index: int) -> None:
    assert dev_account(name) == dev_accounts()[index]


@pytest.mark.parametrize("name", ["contributor-0", "contributor-01", "contributor-13", "alice", ""])
def test_another_name_is_no_development_account(name: str) -> None:
    assert dev_account(name) is None


def test_every_named_account_has_a_key_of_its_own() -> None:
    keys = dev_account_keys()

    assert len({key.address for key in keys.values()}) == len(keys) == 15
    assert all(dev_account(name) == key for name, key in keys.items())
