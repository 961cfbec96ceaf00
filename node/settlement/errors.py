"""The errors of `node.settlement`.

SettlementError
├── TransactionFailed, TransactionPending, SenderUnfunded
├── LedgerBroken, RegistrationsChanged, LedgerConflict, VaultShared
└── ContributorsUnknown, ContributorsForged
"""

from contracts.crypto import Address, Bytes32

_RESTORE = (
    "If the database is an old backup, stop the node and add the missing receipts with `backup restore FILE "
    "--receipts …`, from the public files of the batches."
)


class SettlementError(Exception):
    """Base class of the errors of settlement."""


class TransactionFailed(SettlementError):
    """The chain refused the transaction. It changed nothing."""

    def __init__(self, intent: str, reason: str) -> None:
        super().__init__(f"{intent} failed on the chain: {reason}")
        self.intent, self.reason = intent, reason


class TransactionPending(SettlementError):
    """A transaction is not mined yet. It stays in the outbox, which continues by itself."""

    def __init__(self, intent: str, transaction_hash: Bytes32 | None, note: str | None) -> None:
        sent = f"sent as 0x{transaction_hash.hex()}" if transaction_hash else "not sent yet"
        super().__init__(f"{intent} is {sent} and not mined{': ' + note if note else ''}. It is never sent twice.")
        self.intent, self.transaction_hash, self.note = intent, transaction_hash, note


class SenderUnfunded(SettlementError):
    """An account cannot pay for its transaction. held, needed: wei."""

    def __init__(self, sender: Address, held: int, needed: int) -> None:
        super().__init__(
            f"{sender} holds {held / 10**18:.9g} of the {needed / 10**18:.9g} native coins that its transaction may "
            "need for gas and value. Nothing was sent: send it some, then try again."
        )
        self.sender, self.held, self.needed = sender, held, needed


class LedgerBroken(SettlementError):
    """A stored receipt breaks a rule of the ledger or a stored batch does not rebuild. Nothing more can be posted."""

    def __init__(self, where: str, detail: str) -> None:
        super().__init__(
            f"The ledger cannot be rebuilt at {where}: {detail}. The database was changed from outside or comes from "
            "another node: restore a backup."
        )
        self.where, self.detail = where, detail


class RegistrationsChanged(LedgerBroken):
    """A receipt was sold under a price list or terms that the chain no longer has for its time."""

    def __init__(self, seq: int) -> None:
        super().__init__(f"receipt {seq}", "the registrations it was sold under changed")
        self.seq = seq
        self.args = (
            f"Receipt {seq} was sold under a price list or terms that are no longer registered for its time: the chain "
            "was reorganised deeper than `confirmations`. The receipts before it are posted; it and those after it "
            "cannot be. Raise `confirmations`, close the vault, and open another one for new sales.",
        )


class LedgerConflict(SettlementError):
    """The chain holds another batch for an epoch than this node's database: two nodes share one operator key."""

    def __init__(self, node: Address, epoch: int, posted: Bytes32, ours: Bytes32 | None) -> None:
        ours_text = f"0x{ours.hex()}" if ours else "none"
        super().__init__(
            f"Epoch {epoch} of {node} was posted as 0x{posted.hex()}, but this database has {ours_text}. Another node "
            "uses this vault, or an older backup was restored. Stop the other node, or give this one a vault of its "
            f"own (`vault`). {_RESTORE}"
        )
        self.epoch, self.posted, self.ours = epoch, posted, ours


class VaultShared(SettlementError):
    """A voucher of this vault was claimed for more than this node has charged: another node serves the vault."""

    def __init__(self, node: Address, channel_id: Bytes32, claimed: int, charged: int) -> None:
        super().__init__(
            f"{claimed} base units of channel 0x{channel_id.hex()} were claimed for {node}, but this database charged "
            f"{charged}. Another node uses this vault, or an older backup was restored. Stop the other node, or give "
            f"this one a vault of its own (`vault`). {_RESTORE}"
        )
        self.channel_id, self.claimed, self.charged = channel_id, claimed, charged


class ContributorsUnknown(SettlementError):
    """The contributors of a Datanet version are not known here, so their weights cannot be proven."""

    def __init__(self, datanet_id: Bytes32, version: int) -> None:
        super().__init__(
            f"The contributors of Datanet 0x{datanet_id.hex()} version {version} are not known here. "
            "Add its file to the folder `datanets` of the home."
        )
        self.datanet_id, self.version = datanet_id, version


class ContributorsForged(SettlementError):
    """The root of a list of contributors is not the root that the chain has for its Datanet version."""

    def __init__(self, datanet_id: Bytes32, version: int) -> None:
        super().__init__(
            f"The list of contributors given for Datanet 0x{datanet_id.hex()} version {version} differs from the one "
            "registered on-chain."
        )
        self.datanet_id, self.version = datanet_id, version
