"""The chain and the Settlement contract that the database belongs to."""

from dataclasses import dataclass

from sqlalchemy import String, insert, select
from sqlalchemy.orm import Session
from sqlmodel import Field, SQLModel

from contracts.crypto import Address, Bytes32
from node.store.errors import WrongChain


class MetaRow(SQLModel, table=True):
    """One named value."""

    __tablename__ = "meta"

    name: str = Field(primary_key=True, sa_type=String(64))
    value: str = Field(sa_type=String(200))


@dataclass(frozen=True, slots=True)
class ChainPin:
    """A chain, identified by id and genesis hash, and a Settlement contract on it."""

    chain_id: int
    genesis_hash: Bytes32
    settlement: Address

    def facts(self) -> dict[str, str]:
        """Names and values as the database stores them."""
        return {
            "chain id": str(self.chain_id),
            "genesis hash": "0x" + self.genesis_hash.hex(),
            "Settlement contract": self.settlement,
        }


def pin_chain(session: Session, pin: ChainPin) -> None:
    """Binds a new database to a chain. Raises WrongChain if it is bound to another chain."""
    stored = {row.name: row.value for row in session.scalars(select(MetaRow))}
    for name, given in pin.facts().items():
        if name not in stored:
            session.execute(insert(MetaRow).values(name=name, value=given))
        elif stored[name] != given:
            raise WrongChain(name, stored[name], given)
