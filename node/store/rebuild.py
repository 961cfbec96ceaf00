"""Adds the receipts of a public file to a database that lacks them, exactly as they were signed."""

from sqlalchemy.orm import Session

from attribution.receipts_file import Entry, ReceiptsFile
from contracts.crypto import Bytes32
from contracts.structs import BatchHeader
from node.store import batches, channels, ledger, meta, preimages, receipts, vouchers
from node.store.channels import Channel
from node.store.errors import BackupRefused
from node.store.ledger import Head
from node.store.receipts import StoredReceipt
from node.store.vouchers import KeptVoucher


def add_batch(session: Session, file: ReceiptsFile) -> int:
    """Adds what the database lacks of a batch; returns how many receipts it added.

    Raises BackupRefused if the file does not continue this ledger, or differs from a receipt or batch that is stored.
    WrongVault if it is of another vault.
    """
    header = file.header
    meta.pin_vault(session, header.node)
    _check_domain(session, file)
    known = ledger.head(session, header.node).last_seq
    if header.from_seq > known + 1:
        raise BackupRefused(
            f"The batch of epoch {header.epoch} starts at receipt {header.from_seq}, and the database ends at {known}: "
            "give the files of the batches between them, oldest first."
        )
    for entry in file.entries:
        if entry.receipt.seq <= known:
            _check_same(session, entry)
        else:
            _add_receipt(session, file, entry)
    _add_header(session, header)
    return max(0, header.from_seq + header.count - 1 - known)


def _check_domain(session: Session, file: ReceiptsFile) -> None:
    """The file is of the chain and the Settlement contract that the database belongs to, if it belongs to any yet."""
    pinned = meta.get(session, "chain id"), meta.get(session, "Settlement contract")
    given = str(file.domain.chain_id), file.domain.verifying_contract
    if any(have not in (None, want) for have, want in zip(pinned, given, strict=True)):
        raise BackupRefused(f"The file is of chain {given[0]}, Settlement {given[1]}, and the database of another one.")
    meta.put(session, "chain id", given[0])
    meta.put(session, "Settlement contract", given[1])


def _check_same(session: Session, entry: Entry) -> None:
    (stored,) = receipts.numbered(session, entry.receipt.node, entry.receipt.seq, 1)
    if stored.receipt != entry.receipt:
        raise BackupRefused(
            f"Receipt {entry.receipt.seq} of the file differs from the one in the database: two receipts were signed "
            "with one number. Do not serve this vault any more: close it and open another one."
        )


def _add_receipt(session: Session, file: ReceiptsFile, entry: Entry) -> None:
    receipt, evidence = entry.receipt, entry.evidence
    if entry.signature is None:
        raise BackupRefused(
            f"Receipt {receipt.seq} of the file has no signature: fetch the file in its newest version."
        )
    channel = _channel(session, entry, evidence.config.channel_id(file.domain.chain_id))
    vouchers.keep(session, KeptVoucher(channel, receipt.voucher_max, evidence.voucher_signature))
    preimages.keep(session, receipt.price_hash, evidence.price_list.value)
    if evidence.terms is not None:
        preimages.keep(session, receipt.terms_hash, evidence.terms.value)
    request, signed = evidence.request, evidence.request_signature
    name = f"rebuilt-{receipt.seq}"
    receipts.add(session, StoredReceipt(name, receipt, entry.signature, evidence.config.payer, request, signed))
    total = ledger.head(session, receipt.node).charged + receipt.fee
    ledger.advance(session, receipt.node, Head(receipt.seq, receipt.finished_at, total))


def _channel(session: Session, entry: Entry, channel_id: Bytes32) -> Bytes32:
    """Charges the receipt to its channel. The balance is read from the escrow at the next start."""
    receipt, evidence = entry.receipt, entry.evidence
    if channels.find(session, channel_id) is None:
        config, opened_at = evidence.config, receipt.started_at
        channels.add(session, Channel(channel_id, config, 0, 0, 0, 0, 0, b"", 0, 0, 0, opened_at))
    channels.raise_signed_max(session, channel_id, receipt.voucher_max, evidence.voucher_signature)
    if not channels.charge_again(session, channel_id, cum_before=receipt.cum_before, fee=receipt.fee):
        raise BackupRefused(f"Receipt {receipt.seq} does not follow from the receipts of its channel in the database.")
    return channel_id


def _add_header(session: Session, header: BatchHeader) -> None:
    known = batches.every(session, header.node)
    if header.epoch <= len(known):
        if known[header.epoch - 1].header_hash != header.struct_hash():
            raise BackupRefused(
                f"The database has another batch for epoch {header.epoch} than the file. If the file's was posted, the "
                "database is of a node that did not post it: restore a backup from before that batch."
            )
        return
    before = known[-1].header_hash if known else Bytes32(bytes(32))
    if header.epoch != len(known) + 1 or header.prev_header_hash != before:
        raise BackupRefused(f"The batch of epoch {header.epoch} does not continue the {len(known)} stored batches.")
    batches.add(session, header)
