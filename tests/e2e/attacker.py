"""An operator whose vault was honest for one batch, and who then signs, posts and serves whatever it likes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from attribution.batch import Batch, ChainTip, Item
from attribution.receipts_file import ReceiptsFile
from attribution.split import Payee
from attribution.state_tree import StateTree, charged_key, earned_key
from attribution.transition import LedgerState
from attribution.witness import witness_of
from contracts.crypto import Address, Bytes32, to_address
from contracts.encoding import to_hex
from contracts.structs import BatchHeader, UsageReceipt
from local_chain.transactor import contract
from node.metering.issued import receipt_json
from node.watch.source import Card
from tests.contracts.cheats import entry_after, unchecked
from tests.contracts.docket import Entry, Filing, filing_of
from tests.e2e.attacked_chain import AttackedChain
from tests.e2e.public_files import PublicFiles
from tests.e2e.vaults import Vault, contributors_path
from tests.node.watch.publishing import signed_file


@dataclass(frozen=True, slots=True)
class Slashed:
    """Who caught a node, and what became of its stake, in base units."""

    challenger: Address
    reward: int
    restitution: int
    burned: int


@dataclass(slots=True)
class Attacker:
    """A vault after an honest first batch, and its public files.

    first: the receipts of that batch. items: what an honest second batch would hold. given: receipts that payers got,
    as `receipts export` writes them. headers: what it posted, by epoch.
    shown: the state under the newest header, from which it shows payees.
    """

    name: str
    vault: Vault
    public: PublicFiles
    tip: ChainTip
    first: list[Item]
    items: list[Item]
    given: list[dict[str, object]] = field(default_factory=list)
    headers: dict[int, BatchHeader] = field(default_factory=dict)
    shown: StateTree = field(default_factory=StateTree)

    @classmethod
    def turned(cls, name: str, vault: Vault, public: PublicFiles, *, collects: bool = True) -> "Attacker":
        """The operator once its first batch is posted and served. collects: whether its vouchers were claimed."""
        batch, first = vault.sold(vault.genesis, [True, False])
        _, items = vault.sold(batch.tip, [True, False, True, True])
        made = cls(name, vault, public, batch.tip, first, items)
        made.introduce()
        made.post(batch.header)
        made.serve(1, signed_file(batch, first, vault.operator).encode())
        if collects:
            vault.claim_vouchers(batch.header.cum_total)
        return made

    @property
    def chain(self) -> AttackedChain:
        return self.vault.chain

    @property
    def node(self) -> Address:
        return self.vault.address

    @property
    def url(self) -> str:
        return f"{self.public.url}/{self.name}"

    # ---- the ledger ------------------------------------------------------------------------------------------------

    def booked(self, items: Sequence[Item]) -> list[Entry]:
        """The entries of receipts in a row, checked by nobody, each after the state that the last one left."""
        state, entries = self.tip.state, list[Entry]()
        for item in items:
            entries.append(entry_after(state, item))
            state = after(entries[-1])
        return entries

    def renumbered(self, items: Sequence[Item]) -> list[Item]:
        """The same receipts with new numbers and charges, so that they continue the ledger."""
        charged, made = dict[Bytes32, int](), list[Item]()
        for seq, item in enumerate(items, start=self.tip.state.seq + 1):
            channel_id = item.receipt.channel_id
            before = charged.get(channel_id, self.tip.state.tree.get(charged_key(channel_id)))
            charged[channel_id] = before + item.receipt.fee
            made.append(replace(item, receipt=replace(item.receipt, seq=seq, cum_before=before)))
        return made

    def filed(self, entries: Sequence[Entry]) -> Filing:
        """The filing of these entries; it closes with its last receipt."""
        closed_at = max(entry.item.receipt.finished_at for entry in entries)
        return filing_of(self.tip, entries, closed_at, self.headers[1])

    def file_of(self, filing: Filing) -> ReceiptsFile:
        """The public file of a filing, with the operator's signatures."""
        items = [entry.item for entry in filing.entries]
        roots, receipts = tuple(entry.root_after for entry in filing.entries), tuple(item.receipt for item in items)
        return signed_file(Batch(filing.header, receipts, roots, self.tip.state), items, self.vault.operator)

    # ---- what others see ---------------------------------------------------------------------------------------------

    def introduce(self) -> None:
        """Publishes who the node is, and the contributors of every Datanet."""
        receiver = self.vault.payer.receiver
        card = Card(receiver.domain, self.node, self.vault.operator.address)
        self._answer("/nodes/me", card.to_json())
        for datanet in self.chain.seeded.datanets:
            rows = [{"address": one.address, "weight": str(one.weight)} for one in datanet.contributors.members]
            self._answer(contributors_path(datanet.datanet_id, datanet.version), {"contributors": rows})

    def post(self, header: BatchHeader) -> None:
        """Posts a header. Raises Refused with the error of the contract."""
        operator, settlement = self.vault.operator, self.chain.deployment.settlement
        self.chain.send(operator, "Settlement", settlement, "post", header.abi_tuple())
        self.headers[header.epoch] = header
        rows = [
            {"epoch": known.epoch, "headerHash": to_hex(known.struct_hash()), "status": "posted"}
            for known in reversed(self.headers.values())
        ]
        self._answer("/batches", {"data": rows, "next": None})

    def serve(self, epoch: int, content: bytes) -> None:
        """Serves `content` as the file of an epoch. What was never served is not found."""
        self.public.answers[f"/{self.name}/batches/{epoch}/receipts"] = content

    def publish(self, filing: Filing) -> None:
        """Posts a filing and serves its file."""
        self.post(filing.header)
        self.serve(filing.header.epoch, self.file_of(filing).encode())

    def hand_out(self, receipt: UsageReceipt) -> None:
        """Signs a receipt and gives it to its payer."""
        signature = self.vault.operator.sign(receipt.digest(self.vault.payer.receiver.domain))
        self.given.append(receipt_json(receipt, signature, {}))

    def show(self, payee: Payee) -> None:
        """Answers a demand on a payee of the second batch."""
        values = (self.headers[2].abi_tuple(), int(payee.kind), payee.id, witness_of(self.shown, earned_key(payee)))
        self.chain.send(self.vault.operator, "Challenges", self.chain.deployment.challenges, "showPayee", *values)

    def _answer(self, path: str, document: dict[str, object]) -> None:
        self.public.answers[f"/{self.name}{path}"] = json.dumps(document).encode()

    # ---- what the chain says -----------------------------------------------------------------------------------------

    def epochs(self) -> tuple[int, int]:
        """The newest epoch that is alive, and the newest active one."""
        last, active, *_ = self.chain.read("Settlement", self.chain.deployment.settlement, "ledger", self.node)
        return int(last), int(active)

    def is_dead(self) -> bool:
        """Whether a header of this vault was killed."""
        return bool(self.chain.read("Settlement", self.chain.deployment.settlement, "diedAt", self.node))

    def staked(self) -> tuple[int, int]:
        """What is bonded, and what is unbonding."""
        bonded, leaving, _ = self.chain.read("NodeRegistry", self.chain.deployment.node_registry, "stakeOf", self.node)
        return int(bonded), int(leaving)

    def slashed(self) -> Slashed:
        """How its stake was taken. AssertionError unless that happened exactly once."""
        registry = contract(self.chain.web3, "NodeRegistry", self.chain.deployment.node_registry)
        (found,) = registry.events.Slashed().get_logs(from_block=0, argument_filters={"node": self.node})
        values = found["args"]
        return Slashed(to_address(values["challenger"]), values["reward"], values["restitution"], values["burned"])


def after(entry: Entry) -> LedgerState:
    """The state that an entry leaves: by its receipt alone, or the one before it if its lines cannot be booked."""
    return replace(unchecked(entry.before, entry.item) or entry.before, seq=entry.before.seq + 1)
