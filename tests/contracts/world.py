"""All contracts deployed as on a local chain, one registered node, and the steps that tests consist of."""

from typing import Any

from attribution.split import Payee
from attribution.state_tree import StateTree, earned_key, state_root
from contracts.crypto import ZERO_BYTES32, Address, Bytes32, PrivateKey, address_bytes, keccak, to_address
from contracts.eip712 import Domain
from contracts.encoding import adapter_commitment, uint_word
from contracts.structs import BatchHeader
from contracts.x402 import (
    ERC3009_COLLECTOR,
    ESCROW,
    ChannelConfig,
    ReceiveWithAuthorization,
    Voucher,
    deposit_nonce,
    x402_domain,
)
from tests.contracts.machine import CHAIN_ID, Contract, Machine

DELAY_S = 3600
MIN_WINDOW_S = 600
NOTICE_S = 600
REVEAL_S = 60
OPEN = 10**18
STAKE = 10**8 * OPEN


def key(name: str) -> PrivateKey:
    """The key of a role in these tests, derived from its name."""
    return PrivateKey(keccak(name.encode()))


class World:
    """A machine with every contract. `owner` owns the node, `operator` is its operator key, `payer` holds the OPEN."""

    def __init__(self) -> None:
        self.machine = machine = Machine()
        self.admin, self.owner, self.operator = key("admin"), key("owner"), key("operator")
        self.payer, self.treasury = key("payer"), key("treasury")
        sender = self.admin.address
        self.escrow = machine.place("ChannelEscrow", ESCROW)
        self.collector = machine.place("ERC3009DepositCollector", ERC3009_COLLECTOR)
        self.token = machine.deploy("OpenToken", sender, self.payer.address, 10**9 * OPEN)
        self.manager = machine.deploy("AccessManager", sender, sender)
        self.assets = machine.deploy("AssetRegistry", sender, NOTICE_S, REVEAL_S)
        challenges = machine.created_by(sender, after=2)  # Settlement, then the Judge, then the challenges
        addresses = (self.assets.address, challenges, self.token.address, self.treasury.address)
        parameters = (ESCROW, *addresses, 100_000, DELAY_S, MIN_WINDOW_S, NOTICE_S, 10 * 86_400)
        self.settlement = machine.deploy("Settlement", sender, self.manager.address, parameters)
        self.registry = machine.at("NodeRegistry", to_address(machine.read(self.settlement, "registry")))
        self.judge = machine.deploy("Judge", sender, self.registry.address, self.assets.address, ESCROW)
        arguments = (self.manager.address, self.settlement.address, ESCROW, self.judge.address, NOTICE_S)
        self.challenges = machine.deploy("Challenges", sender, *arguments)
        assert self.challenges.address == challenges
        self.vault = self.register(self.owner, self.operator)
        self.stake(STAKE)

    def register(self, owner: PrivateKey, operator: PrivateKey) -> Contract:
        arguments = (self.token.address, 0, operator.address, "http://node")
        made = self.machine.send(owner.address, self.registry, "register", *arguments)
        return self.machine.at("NodeVault", to_address(made))

    def stake(self, amount: int) -> None:
        """Bonds stake of the vault, from the payer's OPEN."""
        self.machine.send(self.payer.address, self.token, "approve", self.registry.address, amount)
        self.machine.send(self.payer.address, self.registry, "stake", self.vault.address, amount)

    def fund(self, vault: Contract, amount: int) -> None:
        """Sends tokens to a vault without a channel, and sweeps it."""
        self.machine.send(self.payer.address, self.token, "transfer", vault.address, amount)
        self.machine.send(self.payer.address, vault, "sweep")

    def balance(self, address: Address) -> int:
        return int(self.machine.read(self.token, "balanceOf", address))

    # ---- channels ------------------------------------------------------------------------------------------------

    def channel(self, salt: int = 0) -> ChannelConfig:
        payer, vault = self.payer.address, self.vault.address
        return ChannelConfig(payer, payer, vault, vault, self.token.address, 86_400, Bytes32(uint_word(salt)))

    def deposit(self, config: ChannelConfig, amount: int, salt: int = 1) -> None:
        """Deposits by the payer's ERC-3009 authorisation, relayed by the operator."""
        until = self.machine.now + 600
        nonce = deposit_nonce(config.channel_id(CHAIN_ID), salt)
        consent = ReceiveWithAuthorization(self.payer.address, ERC3009_COLLECTOR, amount, 0, until, nonce)
        signature = self.payer.sign(consent.digest(Domain("OPEN", "1", CHAIN_ID, self.token.address)))
        padded = signature + bytes(-len(signature) % 32)
        head = [0, until, salt, 128, len(signature)]
        data = b"".join(map(uint_word, head)) + padded
        arguments = (config.abi_tuple(), amount, ERC3009_COLLECTOR, data)
        self.machine.send(self.operator.address, self.escrow, "deposit", *arguments)

    def voucher_claim(self, config: ChannelConfig, maximum: int, total: int) -> tuple[Any, ...]:
        voucher = Voucher(config.channel_id(CHAIN_ID), maximum)
        signature = self.payer.sign(voucher.digest(x402_domain(CHAIN_ID)))
        return ((config.abi_tuple(), maximum), signature, total)

    def claim_vouchers(self, claims: list[tuple[Any, ...]]) -> None:
        self.machine.send(self.operator.address, self.vault, "claimVouchers", claims)

    # ---- batches -------------------------------------------------------------------------------------------------

    def post(self, tree: StateTree, cum_total: int) -> BatchHeader:
        """Posts the first header of the vault, for ten receipts that result in `tree`."""
        header = BatchHeader(
            node=self.vault.address,
            epoch=1,
            from_seq=1,
            count=10,
            prev_header_hash=ZERO_BYTES32,
            prev_state_root=state_root(ZERO_BYTES32, 0),
            state_root=state_root(tree.root, cum_total),
            cum_total=cum_total,
            receipts_root=keccak(b"receipts"),
            closed_at=self.machine.now,
        )
        self.machine.send(self.operator.address, self.settlement, "post", header.abi_tuple())
        return header

    def claim_entry(self, tree: StateTree, header: BatchHeader, payee: Payee) -> tuple[Any, ...]:
        at, hashed = earned_key(payee), header.struct_hash()
        return (self.vault.address, header.epoch, hashed, int(payee.kind), payee.id, tree.get(at), tree.prove(at))

    def claim(self, *entries: tuple[Any, ...]) -> int:
        return int(self.machine.send(self.payer.address, self.settlement, "claim", list(entries)))

    def claim_share(self, *entries: tuple[Any, ...]) -> int:
        return int(self.machine.send(self.payer.address, self.settlement, "claimShare", list(entries)))

    # ---- Datanets ------------------------------------------------------------------------------------------------

    def publish_datanet(self, root: Bytes32, total_weight: int, count: int) -> Bytes32:
        """Publishes version 1 of a new Datanet whose steward is the admin."""
        salt = keccak(root)
        datanet_id = self.machine.send(self.admin.address, self.assets, "createDatanet", salt, "")
        arguments = (datanet_id, ZERO_BYTES32, root, total_weight, count)
        self.machine.send(self.admin.address, self.assets, "publishDatanetVersion", *arguments)
        return Bytes32(datanet_id)

    def publish_adapter(self, owner: Address, number: int) -> Bytes32:
        """Publishes version 1 of a new adapter and returns its key. Takes `REVEAL_S` seconds."""
        machine, base, salt = self.machine, keccak(b"base"), keccak(b"salt")
        digest = keccak(b"weights %d" % number)
        adapter_id = Bytes32(machine.send(owner, self.assets, "createAdapter", Bytes32(uint_word(number)), ""))
        commitment = adapter_commitment(adapter_id, digest, base, salt)
        machine.send(owner, self.assets, "commitAdapterVersion", commitment)
        machine.warp(REVEAL_S)
        return Bytes32(machine.send(owner, self.assets, "publishAdapterVersion", adapter_id, digest, base, salt))


def address_word(address: Address) -> Bytes32:
    return Bytes32(bytes(12) + address_bytes(address))
