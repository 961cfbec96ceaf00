"""Who this node is, which payments it accepts, and what a request can cost."""

import time

from fastapi import APIRouter, Query

from contracts.encoding import rfc3339
from contracts.x402 import ESCROW
from node.api.models import ASSET_DECIMALS, prices_json
from node.api.paid_part import paid_part
from node.payments.wire import requirements
from node.version import VERSION
from node.world import Paid, TheWorld
from serving.frontend.choices import MAX_CHOICES

router = APIRouter(prefix="/nodes/me", tags=["Node"])


@router.get("")
async def me(world: TheWorld) -> dict[str, object]:
    """Everything that a client needs to pay this node and to check its receipts."""
    service = world.service
    common: dict[str, object] = {
        "mode": "free" if world.paid is None else "paid",
        "version": VERSION,
        "operator": world.operator,
        "base": service.base_name,
        "baseDigest": "0x" + service.base_digest,
        "tokenizerDigest": "0x" + service.tokenizer_digest,
        "contextTokens": service.context_tokens,
    }
    if world.paid is None:
        return common | {"node": world.operator, "chainId": 0}
    return common | _terms_of_payment(world.paid)


def _terms_of_payment(paid: Paid) -> dict[str, object]:
    receiver = paid.payments.receiver
    return {
        "node": receiver.vault,
        "chainId": receiver.chain_id,
        "network": receiver.network,
        "settlement": receiver.settlement,
        "asset": receiver.token,
        "assetName": receiver.token_name,
        "assetVersion": receiver.token_version,
        "assetDecimals": ASSET_DECIMALS,
        "escrow": ESCROW,
        "nodeRegistry": paid.deployment.node_registry,
        "assetRegistry": paid.deployment.asset_registry,
        "genesisHash": paid.deployment.genesis_hash,
        "withdrawDelay": receiver.min_withdraw_delay_s,
        "minDeposit": str(receiver.min_deposit),
        "accepts": [requirements(receiver, receiver.min_deposit)],
    }


@router.get("/quote")
async def quote(
    world: TheWorld,
    model: str,
    max_tokens: int | None = Query(None, ge=1),
    prompt_tokens: int | None = Query(None, ge=1),
    n: int = Query(1, ge=1, le=MAX_CHOICES),
) -> dict[str, object]:
    """A model's prices and the most that a request with `n` choices can cost, by the registered price list."""
    paid = paid_part(world, "quote")
    now = int(time.time())
    adapter = world.service.resolve(model).adapter
    key = paid.registrations.adapter_key_of(adapter)
    context = world.service.context_tokens
    new = n * min(max_tokens or context, context)
    quoted = paid.payments.quote(key, min(prompt_tokens or context, context), new, now)
    return {
        "model": model,
        "adapterKey": "0x" + key.hex(),
        "priceHash": "0x" + quoted.price_hash.hex(),
        "termsHash": "0x" + quoted.terms_hash.hex(),
        "prices": prices_json(quoted.price_list),
        "maxFee": str(quoted.max_fee),
        "validUntil": rfc3339(quoted.valid_until),
    }
