"""How strangers find what this node sells: the list of paid resources, prices, and a text for language models."""

import time

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from contracts.payment import X402_VERSION
from node.api.bazaar import CHAT, PAID_PATHS, PLAIN, bazaar
from node.api.models import prices_json
from node.api.paid_part import paid_part
from node.payments.errors import PaymentError, PaymentRequired
from node.payments.wire import requirements
from node.world import Paid, TheWorld, World
from serving.errors import NotReady

router = APIRouter(tags=["Discovery"])
_PROBE_TOKENS = 64
_PROMPT_TOKENS = 16
_INSTRUCTIONS = (
    "POST with an OpenAI body. A call without payment answers 402 with the terms. GET /nodes/me/quote prices a "
    "request, and POST /payments/channels opens a channel."
)


@router.get("/.well-known/x402")
async def x402(request: Request, world: TheWorld) -> dict[str, object]:
    """The paid resources of this node with their terms, for x402 catalogues."""
    paid = paid_part(world, "paid resources")
    amount = _example_price(paid)
    base = str(request.base_url).rstrip("/")
    items = [
        {
            "resource": base + path,
            "type": "http",
            "method": "POST",
            "x402Version": X402_VERSION,
            "accepts": [requirements(paid.payments.receiver, amount)],
            "extensions": {**bazaar(path, world.service.base_name)},
        }
        for path in PAID_PATHS
    ]
    return {
        "version": 1,
        "x402Version": X402_VERSION,
        "resources": [base + path for path in PAID_PATHS],
        "instructions": _INSTRUCTIONS,
        "items": items,
    }


@router.get("/llms.txt")
async def llms(request: Request, world: TheWorld) -> PlainTextResponse:
    """What this node offers, in plain words for a language model."""
    return PlainTextResponse(_text(world, str(request.base_url).rstrip("/")))


@router.get(CHAT, include_in_schema=False)
@router.get(PLAIN, include_in_schema=False)
async def probe(world: TheWorld) -> None:
    """Answers a catalogue's probe of a paid resource with 402 and its terms."""
    raise probe_terms(world)


def is_probe(raw: bytes, world: World) -> bool:
    """Whether a body of a paid resource asks for nothing, so that only the terms can be the answer."""
    return world.paid is not None and raw.strip() in (b"", b"{}")


def probe_terms(world: World) -> PaymentRequired:
    """The 402 for a call of a paid resource that does not say what it asks for: the price of a small example."""
    paid = paid_part(world, "price")
    problem = "This node is paid per request. POST an OpenAI body to learn its price, or GET /nodes/me/quote."
    return PaymentRequired(problem, paid.payments.receiver, _example_price(paid))


def _example_price(paid: Paid) -> int:
    """What a small request to the base can cost, in base units; 1 while no price is in force."""
    key = paid.registrations.adapter_key_of(None)
    try:
        return paid.payments.quote(key, _PROMPT_TOKENS, _PROBE_TOKENS, int(time.time())).max_fee
    except (PaymentError, NotReady):
        return 1


def _text(world: World, base: str) -> str:
    service, paid = world.service, world.paid
    lines = [
        "# OpenLoRA node",
        "",
        f"> OpenAI-compatible inference with LoRA adapters on the base model {service.base_name}, at {base}/v1. "
        f"The context holds {service.context_tokens} tokens.",
        "",
    ]
    if paid is None:
        lines += ["Inference is free here. No key is needed.", ""]
    else:
        receiver = paid.payments.receiver
        listed = paid.registrations.price_list_at(paid.registrations.adapter_key_of(None), int(time.time()))
        price = ", ".join(f"{name} {value}" for name, value in prices_json(listed.value).items()) if listed else "none"
        lines += [
            f"Every request is paid with x402 (scheme batch-settlement, network {receiver.network}, "
            f"asset {receiver.token}). A call without payment answers 402 with the terms.",
            f"Prices of the base in base units of the asset: {price}.",
            "",
        ]
    lines += [
        "## API",
        "",
        f"- [OpenAPI document]({base}/openapi.json): every path, field and error",
        f"- [Models and prices]({base}/v1/models)",
        f"- [Adapters and the data behind them]({base}/adapters)",
        *([f"- [Paid resources]({base}/.well-known/x402)", f"- [Node and terms]({base}/nodes/me)"] if paid else []),
        "",
    ]
    return "\n".join(lines)
