"""The addresses of the contracts of a private chain."""

from dataclasses import asdict, dataclass
from typing import Self

from contracts.crypto import Address, to_address


@dataclass(frozen=True, slots=True)
class Deployment:
    """The contracts of one chain, which is identified by its id and the hash of its block 0 (0x hex)."""

    chain_id: int
    genesis_hash: str
    open_token: Address
    access_manager: Address
    node_registry: Address
    asset_registry: Address
    settlement: Address
    vault_implementation: Address
    governor: Address
    timelock: Address
    serving_parameters: Address
    challenges: Address

    def to_json(self) -> dict[str, int | str]:
        """The fields as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: object) -> Self:
        """The inverse of `to_json`. Raises ValueError that names what is missing, unknown or malformed."""
        names = set(cls.__slots__)
        if not isinstance(document, dict) or set(document) != names:
            raise ValueError(f"a deployment has exactly the fields {', '.join(sorted(names))}")
        chain_id, genesis_hash = document["chain_id"], document["genesis_hash"]
        if not isinstance(chain_id, int) or not isinstance(genesis_hash, str):
            raise ValueError("chain_id must be a number and genesis_hash a string")
        addresses = {name: to_address(str(document[name])) for name in names - {"chain_id", "genesis_hash"}}
        return cls(chain_id=chain_id, genesis_hash=genesis_hash, **addresses)
