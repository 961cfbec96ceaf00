"""The chain, the Settlement contract and the vault that the database belongs to."""

from dataclasses import dataclass

from sqlalchemy import String, insert, select
from sqlalchemy.orm import Session
from sqlmodel import Field, SQLModel

from contracts.crypto import Address, Bytes32, to_address
from node.store import ledger
from node.store.errors import WrongChain, WrongVault


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


def pin_vault(session: Session, vault: Address) -> None:
    """Binds the database to a vault, once. Raises WrongVault if it holds, or is bound to, the ledger of another one."""
    stored = vault_of(session)
    if stored is None:
        session.execute(insert(MetaRow).values(name=_VAULT, value=vault))
    elif stored != vault:
        raise WrongVault(stored, vault)


def vault_of(session: Session) -> Address | None:
    """The vault whose ledger this database keeps; None for a new one.

    Databases from before vaults were stored have receipts, which name it.
    """
    if (pinned := get(session, _VAULT)) is not None:
        return to_address(pinned)
    return next(iter(ledger.every(session)), None)


def get(session: Session, name: str) -> str | None:
    """A named value; None if it is not stored."""
    row = session.get(MetaRow, name)
    return None if row is None else row.value


def put(session: Session, name: str, value: str) -> None:
    """Stores a named value, once or again."""
    session.merge(MetaRow(name=name, value=value))


_VAULT = "vault"
