"""Takes back everything in the database that was read from blocks which a reorganisation removed."""

from sqlalchemy.orm import Session

from node.store import chain_events, channels, outbox


def roll_back(session: Session, block_number: int) -> None:
    """Undoes, in one database transaction, what was read above `block_number`.

    Events and checkpoints are deleted, transactions count as broadcast and not mined, and channels must be read again.
    """
    chain_events.roll_back(session, block_number)
    outbox.reopen_above(session, block_number)
    channels.forget_escrowed_above(session, block_number)
