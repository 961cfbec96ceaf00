"""The banner of `start`: the URLs, keys, contracts, models and prices of a node that is ready, and a first command."""

from typing import TYPE_CHECKING

from rich.markup import escape

from contracts.crypto import ZERO_BYTES32
from local_chain.accounts import DEV_MNEMONIC
from node.cli.money import amount
from node.dev import starter
from node.home.dev_accounts import dev_account_keys
from node.process.runtime import Ready
from node.redaction import shown_url
from node.version import VERSION

if TYPE_CHECKING:
    from node.world import Paid
    from serving.types import ModelCard

_SHOWN_ADAPTERS = 8


def document(ready: Ready) -> dict[str, object]:
    """The banner as a JSON document."""
    running, paid = ready.running, ready.world.paid
    shown: dict[str, object] = {
        "event": "ready",
        "version": VERSION,
        "pid": running.pid,
        "mode": running.mode,
        "url": running.url,
        "adminUrl": running.admin_url,
        "home": str(ready.world.settings.home),
        "models": [card.name for card in ready.world.service.models()],
        "readySeconds": round(ready.took_s, 2),
    }
    if paid is None:
        return shown
    return shown | {
        "chainUrl": shown_url(paid.rpc_url),
        "chainId": paid.deployment.chain_id,
        "node": paid.payments.receiver.vault,
        "contracts": paid.deployment.to_json(),
    }


def lines(ready: Ready) -> list[str]:
    """The banner's lines in rich's markup. The last line is "Ready in N s"."""
    world, paid = ready.world, ready.world.paid
    adapters = [card for card in world.service.models() if card.adapter is not None]
    said = [""]
    if paid is not None:
        said += [*_accounts(ready), *_contracts(paid)] if ready.running.mode == "dev" else _contracts(paid)
    said += [*_models(ready, adapters), *(_prices(paid) if paid else []), *_urls(ready), *_next(ready, adapters)]
    if ready.running.mode == "dev":
        said += ["", "[bold red]DEV KEYS[/]: these keys are public. Never send anything of value to them."]
    return [*said, "", f"Ready in {ready.took_s:.1f} s"]


def _accounts(ready: Ready) -> list[str]:
    rows = [f"  {name:<15} {key.address}  0x{key.secret.hex()}" for name, key in dev_account_keys().items()]
    return ["Accounts (public development keys)", *rows, f"  mnemonic        {DEV_MNEMONIC}", ""]


def _contracts(paid: "Paid") -> list[str]:
    deployment, receiver = paid.deployment, paid.payments.receiver
    named = {
        "OpenToken": deployment.open_token,
        "NodeRegistry": deployment.node_registry,
        "AssetRegistry": deployment.asset_registry,
        "Settlement": deployment.settlement,
        "this node": receiver.vault,
    }
    chain = f"Chain     {shown_url(paid.rpc_url)}, chain id {deployment.chain_id}"
    return [chain, *(f"  {name:<15} {address}" for name, address in named.items()), ""]


def _models(ready: Ready, adapters: "list[ModelCard]") -> list[str]:
    service = ready.world.service
    names = ", ".join(escape(card.name) for card in adapters[:_SHOWN_ADAPTERS])
    more = f" and {len(adapters) - _SHOWN_ADAPTERS} more" if adapters[_SHOWN_ADAPTERS:] else ""
    hardware = f"{service.device_name}, {service.dtype_name}, {service.context_tokens} tokens"
    stats = service.stats()
    kv_mib, adapter_mib = stats.kv_budget_bytes >> 20, stats.adapter_budget_bytes >> 20
    return [
        f"Base      {escape(service.base_name)} ({hardware})",
        f"Memory    {kv_mib} MiB of KV cache (--kv-bytes), {adapter_mib} MiB of adapters (--adapter-device-bytes)",
        f"Adapters  {names + more or 'none yet; add one with: python -m node adapter add SRC'}",
    ]


def _prices(paid: "Paid") -> list[str]:
    registered = paid.registrations.price_list_at(ZERO_BYTES32, paid.registrations.head_time())
    if registered is None:
        return ["Prices    none registered yet; paid requests are refused"]
    listed = registered.value
    parts = (("prompt", listed.prompt_per_m), ("cached", listed.cached_per_m), ("output", listed.output_per_m))
    return ["Prices    " + ", ".join(f"{amount(price)} {name}" for name, price in parts) + " per million tokens"]


def _urls(ready: Ready) -> list[str]:
    running = ready.running
    home = escape(str(ready.world.settings.home))
    return [
        f"API       {running.url}/v1",
        f"Docs      {running.url}/docs",
        f"Operator  {running.admin_url} (token in {home}/run.json)",
        "",
    ]


def _next(ready: Ready, adapters: "list[ModelCard]") -> list[str]:
    """A command to paste into another terminal."""
    settings = ready.world.settings
    pack = starter.pack()
    examples = {adapter.name: adapter.example for adapter in pack.adapters} if settings.base == "starter" else {}
    card = next((one for one in adapters if one.name in examples), adapters[0] if adapters else None)
    model = card.name if card else ready.world.service.base_name
    pay = "" if ready.world.paid is None else " --pay"
    home = "" if settings.home == type(settings).model_fields["home"].default else f" --home {settings.home}"
    question = examples.get(model, "Hello")
    return [escape(f'Try       python -m node chat {model} "{question}"{pay}{home}')]
