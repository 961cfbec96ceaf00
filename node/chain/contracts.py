"""Typed access to the deployed contracts. Reads return values; changes are returned as a `Call` for the outbox."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts.crypto import Address, Bytes32, to_address
from contracts.structs import BatchHeader
from contracts.x402 import ERC3009_COLLECTOR, ESCROW, MULTICALL3, ChannelConfig
from node.chain.abi import abi_of
from node.chain.client import Call, ChainClient
from node.chain.errors import ContractMissing

MULTICALL_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Contract:
    """One deployed contract."""

    client: ChainClient
    name: str
    address: Address

    def to_call(self, function: str, *args: Any, value: int = 0) -> Call:
        """A call of `function`. value: the native coin that goes with it, in wei."""
        return Call(self.address, abi_of(self.name).functions[function].encode(*args), value)

    async def read(self, function: str, *args: Any, at: int | None = None) -> tuple[Any, ...]:
        """The values that `function` returns after block `at`, or after the newest block. Raises ContractMissing."""
        returned = await self.client.call(self.to_call(function, *args), at=at)
        if not returned and not await self.client.code(self.address):
            raise ContractMissing(self.name, self.address)
        return abi_of(self.name).functions[function].decode(returned)


async def read_many(
    client: ChainClient, calls: Sequence[tuple[Contract, str, tuple[Any, ...]]], at: int | None = None
) -> list[tuple[Any, ...]]:
    """The results of many reads after block `at`, through Multicall3. Without `at`, each 100 see the same block."""
    multicall = Contract(client, "Multicall3", MULTICALL3)
    made: list[tuple[Any, ...]] = []
    for start in range(0, len(calls), MULTICALL_LIMIT):
        part = calls[start : start + MULTICALL_LIMIT]
        messages = [(contract.address, contract.to_call(name, *args).data) for contract, name, args in part]
        (results,) = await multicall.read("tryAggregate", True, messages, at=at)
        functions = (abi_of(contract.name).functions[name] for contract, name, _ in part)
        made += [function.decode(returned) for function, (_, returned) in zip(functions, results, strict=True)]
    return made


@dataclass(frozen=True, slots=True)
class LedgerView:
    """A node's ledger in Settlement: values of the newest posted header, and of the newest active epoch.

    last_commitment: `header_commitment` of the newest posted header.
    """

    last_epoch: int
    active_epoch: int
    next_seq: int
    last_commitment: Bytes32
    last_cum_total: int
    active_cum_total: int
    last_closed_at: int


@dataclass(frozen=True, slots=True)
class PayeeClaim:
    """ISettlement.Claim: an ADDRESS or TREASURY payee's cumulative earnings under an epoch's state root."""

    node: Address
    epoch: int
    header_hash: Bytes32
    payee_kind: int
    id: Bytes32
    cumulative: int
    proof: bytes


@dataclass(frozen=True, slots=True)
class ShareClaim:
    """ISettlement.ShareClaim: a contributor's part of a Datanet version's cumulative earnings."""

    node: Address
    epoch: int
    header_hash: Bytes32
    datanet_id: Bytes32
    version: int
    cumulative: int
    proof: bytes
    contributor: Address
    weight: int
    index: int
    weight_proof: tuple[Bytes32, ...]


class SettlementContract:
    """The Settlement contract: credits, batches and claims."""

    def __init__(self, client: ChainClient, address: Address) -> None:
        self.contract = Contract(client, "Settlement", address)

    async def ledger(self, node: Address) -> LedgerView:
        """The posted and the active state of a node's ledger."""
        return LedgerView(*await self.contract.read("ledger", node))

    async def credited(self, node: Address) -> int:
        """Base units that were swept from the node's vault so far."""
        return int((await self.contract.read("credited", node))[0])

    async def active_from(self, node: Address, epoch: int) -> int:
        """When the window of a posted epoch ends, in unix seconds; 0 if the epoch is not posted."""
        return int((await self.contract.read("activeFrom", node, epoch))[0])

    async def treasury(self) -> Address:
        """The address that may claim the treasury's earnings."""
        return to_address((await self.contract.read("treasury"))[0])

    async def claimed(self, node: Address, payees: Sequence[tuple[int, Bytes32]]) -> list[int]:
        """What each (kind, id) was paid, in base units."""
        calls = [(self.contract, "claimed", (node, *payee)) for payee in payees]
        return [int(paid) for (paid,) in await read_many(self.contract.client, calls)]

    async def share_paid(
        self, node: Address, contributor: Address, versions: Sequence[tuple[Bytes32, int]]
    ) -> list[int]:
        """What a contributor was paid for each (Datanet id, version), in base units."""
        calls = [(self.contract, "sharePaid", (node, *version, contributor)) for version in versions]
        return [int(paid) for (paid,) in await read_many(self.contract.client, calls)]

    def post(self, header: BatchHeader) -> Call:
        """Posts the header of the next batch."""
        return self.contract.to_call("post", header.abi_tuple())

    def activate(self, node: Address) -> Call:
        """Activates every epoch whose window has passed and whose total is credited."""
        return self.contract.to_call("activate", node)

    def claim(self, claims: Sequence[PayeeClaim]) -> Call:
        """Pays the earnings of ADDRESS and TREASURY payees."""
        rows = [(c.node, c.epoch, c.header_hash, c.payee_kind, c.id, c.cumulative, c.proof) for c in claims]
        return self.contract.to_call("claim", rows)

    def claim_share(self, claims: Sequence[ShareClaim]) -> Call:
        """Pays a contributor's parts of Datanet earnings."""
        rows = [
            (
                c.node,
                c.epoch,
                c.header_hash,
                c.datanet_id,
                c.version,
                c.cumulative,
                c.proof,
                c.contributor,
                c.weight,
                c.index,
                list(c.weight_proof),
            )
            for c in claims
        ]
        return self.contract.to_call("claimShare", rows)


@dataclass(frozen=True, slots=True)
class ChannelView:
    """A channel in the escrow; amounts in base units. withdraw_initiated_at: unix seconds, 0 without a withdrawal."""

    balance: int
    total_claimed: int
    pending_withdraw: int
    withdraw_initiated_at: int


@dataclass(frozen=True, slots=True)
class VoucherClaim:
    """A signed voucher, and the cumulative amount to claim with it."""

    config: ChannelConfig
    max_claimable_amount: int
    signature: bytes
    total_claimed: int


class EscrowContract:
    """The x402 escrow at its canonical address."""

    def __init__(self, client: ChainClient) -> None:
        self.contract = Contract(client, "ChannelEscrow", ESCROW)

    async def channel(self, channel_id: Bytes32) -> tuple[ChannelView, int]:
        """A channel's state and the number of the block it was read at.

        The block is named, because an endpoint behind a load balancer may lag behind the one that gave the head.
        """
        number = (await self.contract.client.head()).number
        found = await read_many(self.contract.client, self._reads(channel_id), at=number)
        return ChannelView(*found[0], *found[1]), number

    async def channels(self, channel_ids: Sequence[Bytes32]) -> list[ChannelView]:
        """The state of each channel."""
        calls = [read for channel_id in channel_ids for read in self._reads(channel_id)]
        found = await read_many(self.contract.client, calls)
        return [ChannelView(*found[at], *found[at + 1]) for at in range(0, len(found), 2)]

    async def receiver(self, receiver: Address, token: Address) -> tuple[int, int]:
        """(claimed, settled): what was claimed for a receiver so far, and how much of it was paid out to it."""
        claimed, settled = await self.contract.read("receivers", receiver, token)
        return int(claimed), int(settled)

    def _reads(self, channel_id: Bytes32) -> list[tuple[Contract, str, tuple[Bytes32]]]:
        return [(self.contract, name, (channel_id,)) for name in ("channels", "pendingWithdrawals")]

    def deposit(self, config: ChannelConfig, amount: int, collector_data: bytes) -> Call:
        """Deposits with a payer's signed ERC-3009 authorization. Anybody may send it."""
        return self.contract.to_call("deposit", config.abi_tuple(), amount, ERC3009_COLLECTOR, collector_data)


class VaultContract:
    """The vault of a node."""

    def __init__(self, client: ChainClient, address: Address) -> None:
        self.contract = Contract(client, "NodeVault", address)

    def claim_vouchers(self, claims: Sequence[VoucherClaim]) -> Call:
        """Claims channels in the escrow for the vault."""
        rows = [((c.config.abi_tuple(), c.max_claimable_amount), c.signature, c.total_claimed) for c in claims]
        return self.contract.to_call("claimVouchers", rows)

    def sweep(self) -> Call:
        """Forwards all tokens of the vault to Settlement."""
        return self.contract.to_call("sweep")


class RegistryContract:
    """The NodeRegistry contract."""

    def __init__(self, client: ChainClient, address: Address) -> None:
        self.contract = Contract(client, "NodeRegistry", address)

    async def operator_of(self, node: Address) -> Address:
        """The current operator of a node."""
        return to_address((await self.contract.read("operatorOf", node))[0])

    async def token_of(self, node: Address) -> Address:
        """The token that a node accepts."""
        return to_address((await self.contract.read("tokenOf", node))[0])


class TokenContract:
    """The contract of the accepted token."""

    def __init__(self, client: ChainClient, address: Address) -> None:
        self.contract = Contract(client, "OpenToken", address)

    async def balance_of(self, account: Address) -> int:
        """The balance of an account in base units."""
        return int((await self.contract.read("balanceOf", account))[0])
