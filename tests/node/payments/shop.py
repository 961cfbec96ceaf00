"""A node's money side with a chain that is a fake, ready to sell."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from attribution.transition import Evidence, Registered
from contracts.crypto import Address, Bytes32, keccak, to_address
from contracts.structs import DatanetLink, PriceList, Terms
from node.metering.metering import Metering
from node.metering.receipts import EvidencedReceipt, Receipts
from node.payments.admission import Admission
from node.payments.authentication import VerifiedRequest
from node.payments.payments import Payments
from node.payments.receiver import Receiver
from node.payments.registrations import MemoryEscrow, MemoryRegistrations
from node.payments.relay_limit import RelayLimit
from node.payments.sales import Sales
from node.store.channels import Channel
from node.store.database import Database
from serving.types import End, Outcome, Usage
from tests.node.payments.payer import BODY, NOW, PATH, Payer, key

ADAPTER = keccak(b"dermatology")
VAULT = to_address("0x" + "7a" * 20)
RECEIVER = Receiver(
    chain_id=31337,
    settlement=to_address("0x" + "5e" * 20),
    vault=VAULT,
    token=to_address("0x" + "70" * 20),
    token_name="OPEN",
    token_version="1",
    min_withdraw_delay_s=900,
    min_deposit=10**6,
)
PRICES = PriceList(
    node=VAULT,
    adapter_key=Bytes32(bytes(32)),
    prompt_per_m=2 * 10**18,
    cached_per_m=10**18,
    output_per_m=8 * 10**18,
    min_fee=10**13,
    operator_payee=key("operator").address,
    treasury_ppm=100_000,
)
TERMS = Terms(
    adapter_key=ADAPTER,
    owner=key("owner").address,
    royalty_ppm=200_000,
    data_ppm=500_000,
    evidence_ppm=500_000,
    manifest_digest=keccak(b"manifest"),
    datanets=(DatanetLink(keccak(b"skin"), 1, 1_000_000),),
)
OPERATOR = key("operator")


@dataclass(slots=True)
class Shop:
    """Payments and metering over one database, with one price list for everything and terms for one adapter."""

    database: Database
    escrow: MemoryEscrow
    registrations: MemoryRegistrations
    payments: Payments
    metering: Metering
    receipts: Receipts
    sales: Sales

    async def channel(self, payer: Payer) -> Channel:
        return await self.payments.channels.get(payer.channel_id)

    async def funded(self, payer: Payer, amount: int) -> Channel:
        """The payer's channel with `amount` in the escrow and nothing signed."""
        self.escrow.deposit(payer.channel_id, amount)
        return await self.payments.channels.discover(payer.config, NOW)

    def ask(
        self, payer: Payer, *, max_fee: int, signed_max: int | None = None, adapter: Bytes32 = ADAPTER
    ) -> VerifiedRequest:
        """A well-formed ask that came over the wire."""
        price_list = self.registrations.price_list_at(adapter, NOW)
        assert price_list is not None
        request = payer.request(max_fee=max_fee, price_hash=price_list.value.struct_hash(), adapter_key=adapter)
        voucher = None if signed_max is None else payer.voucher(signed_max)
        return self.payments.authenticate(payer.headers(request, voucher), "POST", PATH, BODY, NOW)

    async def admit(
        self,
        ask: VerifiedRequest,
        request_id: str,
        *,
        prompt_tokens: int = 10,
        max_new_tokens: int = 10,
        now: int = NOW,
    ) -> Admission:
        return await self.payments.admit(
            ask,
            request_id=request_id,
            adapter_key=ask.request.adapter_key,
            prompt_tokens=prompt_tokens,
            max_new_tokens=max_new_tokens,
            now=now,
        )


def shop_over(database: Database, escrow: MemoryEscrow | None = None) -> Shop:
    escrow = escrow or MemoryEscrow(RECEIVER.chain_id)
    registrations = MemoryRegistrations(now=NOW)
    registrations.register_price(PRICES)
    registrations.register_terms(TERMS)
    sales = Sales()
    limit = RelayLimit(per_payer=3, in_all=5)
    payments = Payments(database, RECEIVER, registrations, escrow, limit, sales=sales)
    metering = Metering(database, RECEIVER, registrations, OPERATOR, sales=sales)
    return Shop(database, escrow, registrations, payments, metering, Receipts(database), sales)


@asynccontextmanager
async def open_shop(url: str, escrow: MemoryEscrow | None = None) -> AsyncIterator[Shop]:
    """A shop for the time of a test; the same escrow and URL again is the same shop after a restart."""
    database = await Database.open(url)
    shop = shop_over(database, escrow)
    await shop.payments.recover()
    yield shop
    await shop.payments.close()
    await database.close()


def ended(
    outcome: Outcome = Outcome.FINISHED, *, prompt_tokens: int = 10, cached_tokens: int = 0, output_tokens: int = 10
) -> End:
    reasons = {Outcome.FINISHED: "stop", Outcome.ABORTED: "abort", Outcome.FAILED: "error"}
    usage = Usage(prompt_tokens, cached_tokens, output_tokens)
    return End(outcome, reasons[outcome], usage, None)  # type: ignore[arg-type]  # one literal per outcome


def evidence_of(evidenced: EvidencedReceipt) -> Evidence:
    """What the ledger's judge asks for, with registrations that were always in force."""
    return Evidence(
        config=evidenced.config,
        voucher_signature=evidenced.voucher_signature,
        price_list=Registered(evidenced.price_list, 0),
        terms=Registered(evidenced.terms, 0) if evidenced.terms else None,
        request=evidenced.stored.request,
        request_signature=evidenced.stored.request_signature,
    )


def address(name: str) -> Address:
    return key(name).address
