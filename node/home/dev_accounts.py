"""The names of the public development accounts. Everybody knows their keys."""

from contracts.crypto import PrivateKey

_CONTRIBUTORS = 12
_INDICES = {"deployer": 0, "operator": 1, "payer": 2} | {f"contributor-{1 + i}": 10 + i for i in range(_CONTRIBUTORS)}
"""Index of each account in the public mnemonic. Accounts 3 to 5 own adapters and steward Datanets; they have no names
here."""


def dev_account(name: str) -> PrivateKey | None:
    """The key of a development account: deployer, operator, payer, or contributor-1 to contributor-12."""
    from local_chain.accounts import dev_accounts

    return dev_accounts()[_INDICES[name]] if name in _INDICES else None


def dev_account_keys() -> dict[str, PrivateKey]:
    """Every named development account with its key."""
    from local_chain.accounts import dev_accounts

    keys = dev_accounts()
    return {name: keys[index] for name, index in _INDICES.items()}
