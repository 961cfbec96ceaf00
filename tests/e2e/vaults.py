"""Vaults of one operator on a real chain, and honest sales under real deposits. Only the inference is left out."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from attribution.batch import Batch, ChainTip, Item, build
from attribution.state_tree import charged_key
from attribution.transition import Evidence, Ledger, LedgerState, Registered
from contracts.crypto import ZERO_BYTES32, Address, Bytes32, PrivateKey, keccak, to_address
from contracts.fees import usage_fee
from contracts.structs import PriceList, Terms, UsageReceipt
from contracts.x402 import ERC3009_COLLECTOR, ESCROW
from local_chain.accounts import dev_accounts
from local_chain.genesis import CHAIN_ID
from local_chain.transactor import contract
from node.payments.receiver import Receiver
from tests.e2e.attacked_chain import AttackedChain
from tests.node.payments.payer import Payer

OPEN = 10**18
STAKE = 1_000 * OPEN
DEPOSIT = 10 * OPEN
TOKENS = (10, 0, 80)
"""Of every sale: computed, cached and generated."""
_MAX = 2**256 - 1
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Vault:
    """A staked vault with prices, a payer with a funded channel, and the terms of the one registered adapter."""

    chain: AttackedChain
    operator: PrivateKey
    payer: Payer
    prices: Registered[PriceList]
    terms: Registered[Terms]

    @property
    def address(self) -> Address:
        return self.payer.receiver.vault

    @property
    def genesis(self) -> ChainTip:
        """The tip of the empty ledger."""
        receiver = self.payer.receiver
        return ChainTip.genesis(LedgerState.genesis(Ledger(receiver.vault, receiver.token, receiver.domain)))

    def sold(self, tip: ChainTip, adapters: Sequence[bool]) -> tuple[Batch, list[Item]]:
        """The honest next batch: one sale each, of the adapter or of the base model."""
        charged = tip.state.tree.get(charged_key(self.payer.channel_id))
        items = list[Item]()
        for seq, with_adapter in enumerate(adapters, start=tip.state.seq + 1):
            items.append(self._sale(seq, charged, self.terms if with_adapter else None))
            charged += items[-1].receipt.fee
        return build(tip, items), items

    def claim_vouchers(self, total: int) -> None:
        """The operator claims so much of the channel, with a voucher of its payer, and sweeps it."""
        voucher = self.payer.voucher(total)
        claim = ((self.payer.config.abi_tuple(), total), voucher.signature, total)
        self.chain.send(self.operator, "NodeVault", self.address, "claimVouchers", [claim])
        self.chain.send(self.operator, "NodeVault", self.address, "sweep")

    def _sale(self, seq: int, charged: int, terms: Registered[Terms] | None) -> Item:
        prices, now, payer = self.prices.value, self.chain.now, self.payer
        fee, key = usage_fee(prices, *TOKENS), terms.value.adapter_key if terms else ZERO_BYTES32
        request = payer.sign(
            payer.request(max_fee=fee, price_hash=prices.struct_hash(), adapter_key=key, deadline=now + 120)
        )
        voucher = payer.voucher(charged + fee)
        receipt = UsageReceipt(
            node=self.address,
            seq=seq,
            channel_id=payer.channel_id,
            request_digest=request.request.digest(payer.receiver.domain),
            adapter_key=key,
            price_hash=prices.struct_hash(),
            terms_hash=terms.value.struct_hash() if terms else ZERO_BYTES32,
            shares_hash=ZERO_BYTES32,
            attribution_version=1,
            prompt_commit=keccak(b"prompt"),
            output_commit=keccak(b"output"),
            tokens_in=TOKENS[0],
            tokens_cached=TOKENS[1],
            tokens_out=TOKENS[2],
            fee=fee,
            cum_before=charged,
            voucher_max=charged + fee,
            started_at=now,
            finished_at=now,
            status=0,
        )
        evidence = Evidence(
            config=payer.config,
            voucher_signature=voucher.signature,
            price_list=self.prices,
            terms=terms,
            request=request.request,
            request_signature=request.signature,
        )
        return Item(receipt, evidence)


@dataclass(slots=True)
class Founder:
    """An operator who opens one vault after another."""

    chain: AttackedChain
    operator: PrivateKey = field(default_factory=PrivateKey.generate)
    payer: PrivateKey = field(default_factory=PrivateKey.generate)
    _opened: int = 0

    def fund(self) -> None:
        """Gives operator and payer what they need for any number of vaults."""
        rich, deployment = dev_accounts()[2], self.chain.deployment
        self.chain.pay(self.operator.address)
        token = ("OpenToken", deployment.open_token)
        self.chain.send(rich, *token, "transfer", self.payer.address, 100 * DEPOSIT)
        self.chain.send(rich, *token, "transfer", self.operator.address, 100 * STAKE)
        self.chain.send(self.operator, *token, "approve", deployment.node_registry, _MAX)

    def open(self) -> Vault:
        """A new vault with stake, prices and a funded channel."""
        chain, deployment = self.chain, self.chain.deployment
        token, registry = deployment.open_token, ("NodeRegistry", deployment.node_registry)
        index, self._opened = self._opened, self._opened + 1
        chain.send(self.operator, *registry, "register", token, index, self.operator.address, "")
        node = to_address(chain.read(*registry, "vaultOf", self.operator.address, token, index))
        chain.send(self.operator, *registry, "stake", node, STAKE)
        amounts = (2 * OPEN, OPEN, 8 * OPEN, 10**13)
        listed = chain.send(
            self.operator, *registry, "registerPriceList", node, ZERO_BYTES32, *amounts, self.operator.address, 0
        )
        prices = PriceList(node, ZERO_BYTES32, *amounts, self.operator.address, 100_000)
        receiver = Receiver(CHAIN_ID, deployment.settlement, node, token, "OPEN", "1", 86_400, 10**6)
        payer = Payer(receiver, wallet=self.payer, session=self.payer)
        deposit = payer.deposit(DEPOSIT, salt=next(_numbers), until=chain.now + 600)
        arguments = (payer.config.abi_tuple(), DEPOSIT, ERC3009_COLLECTOR, deposit.collector_data())
        chain.send(self.operator, "ChannelEscrow", ESCROW, "deposit", *arguments)
        since = int(chain.web3.eth.get_block(listed["blockNumber"])["timestamp"])
        return Vault(chain, self.operator, payer, Registered(prices, since), registered_terms(chain))


def registered_terms(chain: AttackedChain) -> Registered[Terms]:
    """The terms of the first adapter of the starter pack."""
    assets = contract(chain.web3, "AssetRegistry", chain.deployment.asset_registry)
    terms_hash = chain.seeded.adapters[0].terms_hash
    found = assets.events.TermsRegistered().get_logs(from_block=0, argument_filters={"termsHash": terms_hash})
    terms = Terms.from_abi(assets.functions.terms(terms_hash).call())
    assert terms.struct_hash() == terms_hash
    return Registered(terms, int(found[0]["args"]["from"]))


def contributors_path(datanet_id: Bytes32, version: int) -> str:
    """Where a node publishes the contributors of a Datanet version."""
    return f"/datanets/0x{datanet_id.hex()}/versions/{version}"
