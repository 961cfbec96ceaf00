"""What each operation answers when it succeeds, and the codes of the errors that are its own."""

from dataclasses import dataclass

from pydantic import BaseModel

from node.api.openapi import inference_shapes as inference
from node.api.openapi import ledger_shapes as ledger

JSON, TEXT = "application/json", "text/plain"
STREAM = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Operation:
    """A success: its status and body by media type (a model; None for an opaque text or file), and its error codes.

    bounded: whether it reads a request body. paid: whether callers pay for it.
    """

    model: type[BaseModel] | None
    codes: tuple[str, ...] = ()
    status: int = 200
    media: str = JSON
    bounded: bool = False
    paid: bool = False


_INFERENCE = (
    *("unsupported_field", "context_length_exceeded", "chat_template_failed", "payment_invalid", "payment_required"),
    *("model_not_found", "channel_unknown", "nonce_used", "voucher_stale", "price_unknown", "settlement_unknown"),
    *("request_expired", "price_expired", "adapter_incompatible", "adapter_corrupt", "channel_refused", "overloaded"),
    *("generation_failed", "chain_refused", "chain_unavailable", "source_unavailable", "not_ready", "deadline_passed"),
)
_DEPOSIT = (
    *("payment_invalid", "channel_unknown", "settlement_unknown", "channel_refused", "deposit_failed"),
    *("relay_limited", "chain_refused", "chain_unavailable", "not_ready"),
)
_PAID_ONLY = ("not_offered",)
_BUILT = ("not_offered", "not_found", "rate_limited")
_CHAIN = ("not_offered", "not_found", "contributors_unknown", "contributors_forged", "chain_unavailable")
_OPERATOR = ("unauthorized",)
_ADAPTER = (
    *("unauthorized", "unsupported_field", "model_not_found", "source_refused", "adapter_busy"),
    *("adapter_incompatible", "adapter_corrupt", "overloaded", "source_unavailable", "not_ready"),
)
_SETTLE = (
    *("unauthorized", "not_offered", "settlement_unknown", "transaction_failed", "ledger_conflict"),
    *("ledger_broken", "chain_refused", "chain_unavailable", "not_ready"),
)
OPERATIONS: dict[str, Operation] = {
    "POST /v1/chat/completions": Operation(inference.ChatCompletion, _INFERENCE, bounded=True, paid=True),
    "POST /v1/completions": Operation(inference.TextCompletion, _INFERENCE, bounded=True, paid=True),
    "GET /v1/models": Operation(inference.OpenAIModels),
    "GET /v1/models/{model}": Operation(inference.OpenAIModel, ("model_not_found", "adapter_incompatible")),
    "GET /nodes/me": Operation(ledger.NodeCard),
    "GET /nodes/me/quote": Operation(
        ledger.PriceQuote, ("not_offered", "model_not_found", "price_unknown", "adapter_incompatible", "not_ready")
    ),
    "POST /payments/channels": Operation(ledger.OpenedChannel, (*_DEPOSIT, *_PAID_ONLY), status=201, bounded=True),
    "GET /payments/channels": Operation(ledger.PaymentChannels, _PAID_ONLY),
    "GET /payments/channels/{channel_id}": Operation(
        ledger.PaymentChannel, (*_PAID_ONLY, "channel_unknown", "chain_unavailable")
    ),
    "POST /payments/channels/{channel_id}/voucher": Operation(
        ledger.PaymentChannel, (*_DEPOSIT, *_PAID_ONLY, "voucher_stale"), bounded=True
    ),
    "GET /adapters": Operation(inference.Adapters),
    "GET /adapters/{name}": Operation(inference.ServedAdapter, ("model_not_found", "adapter_incompatible")),
    "GET /adapters/{name}/provenance": Operation(
        inference.AdapterProvenance, ("model_not_found", "adapter_incompatible")
    ),
    "GET /datanets": Operation(ledger.DatanetVersions, _PAID_ONLY),
    "GET /datanets/{datanet_id}": Operation(ledger.DatanetWithContributors, _CHAIN),
    "GET /datanets/{datanet_id}/versions": Operation(ledger.DatanetVersions, _CHAIN),
    "GET /datanets/{datanet_id}/versions/{version}": Operation(ledger.DatanetWithContributors, _CHAIN),
    "GET /receipts": Operation(ledger.StoredReceipts),
    "GET /receipts/{receipt_id}": Operation(ledger.StoredReceipt, ("not_found",)),
    "GET /receipts/{receipt_id}/proof": Operation(ledger.ReceiptProof, _BUILT),
    "GET /batches": Operation(ledger.ReceiptBatches, _PAID_ONLY),
    "GET /batches/{epoch}": Operation(ledger.ReceiptBatch, ("not_offered", "not_found")),
    "GET /batches/{epoch}/receipts": Operation(None, _BUILT, media="application/octet-stream"),
    "GET /contributors/{address}/earnings": Operation(ledger.AddressEarnings, _CHAIN),
    "GET /contributors/{address}/claims": Operation(ledger.AddressClaims, _CHAIN),
    "GET /contributors/{address}/export.csv": Operation(None, _CHAIN, media="text/csv"),
    "POST /v1/load_lora_adapter": Operation(None, _ADAPTER, media=TEXT, bounded=True),
    "POST /v1/unload_lora_adapter": Operation(None, _ADAPTER, media=TEXT, bounded=True),
    "GET /healthz": Operation(ledger.Liveness),
    "GET /readyz": Operation(ledger.NodeReadiness),
    "GET /metrics": Operation(None, media=TEXT),
    "GET /version": Operation(ledger.NodeVersion),
    "GET /.well-known/x402": Operation(ledger.X402Discovery, _PAID_ONLY),
    "GET /llms.txt": Operation(None, media=TEXT),
    "GET /admin/status": Operation(None, _OPERATOR, media=JSON),
    "GET /admin/ps": Operation(None, _OPERATOR, media=JSON),
    "POST /admin/adapters": Operation(None, _ADAPTER, media=JSON, bounded=True),
    "DELETE /admin/adapters/{name}": Operation(None, _ADAPTER, media=JSON),
    "POST /admin/adapters/{name}/pin": Operation(None, _ADAPTER, media=JSON),
    "POST /admin/adapters/{name}/unpin": Operation(None, _ADAPTER, media=JSON),
    "POST /admin/adapters/{name}/evict": Operation(None, _ADAPTER, media=JSON),
    "GET /admin/settle": Operation(None, _SETTLE, media=JSON),
    "POST /admin/settle/now": Operation(None, _SETTLE, media=JSON),
    "POST /admin/settle/retry": Operation(None, _SETTLE, media=JSON),
    "POST /admin/chain/rescan": Operation(None, _SETTLE, media=JSON),
}
"""Every operation of the two applications. A test compares it with their routes."""
