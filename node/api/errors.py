"""The errors that clients see: one table from exception class to HTTP status, code and title.

Paths under /v1 answer with OpenAI's error body, all others with RFC 9457 problem details. Both carry the same `code`.
docs/errors.md explains each code.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from node.chain import errors as chain_errors
from node.payments import errors as payment_errors
from node.settlement import errors as settlement_errors
from node.store import errors as store_errors
from serving import errors as serving_errors


class ApiError(Exception):
    """Base of the errors that the HTTP layer itself raises."""


class UnsupportedField(ApiError):
    """A field, or a value of a field, that this node does not implement. Ignoring it would answer another question.

    optional: whether the request is valid without the field, so that leaving it out is a fix.
    """

    def __init__(self, param: str, reason: str = "this node does not support it", *, optional: bool = False) -> None:
        super().__init__(f"{param}: {reason}." + (" Leave it out." if optional else ""))
        self.param = param


class InvalidBody(ApiError):
    """The body is not JSON, lacks a field, or a field or parameter has a wrong type or value.

    param: the field or parameter; None if the body as a whole is wrong.
    """

    def __init__(self, param: str | None, reason: str) -> None:
        super().__init__(f"{param}: {reason}" if param else reason)
        self.param = param


class AdapterNameTaken(ApiError):
    """An adapter name that is already served. The text is vLLM's, which programs look for."""

    param = "lora_name"
    kind = "InvalidUserInput"


class AdapterUnknown(ApiError):
    """No adapter of that name. The text is vLLM's, which programs look for."""

    param = "lora_name"
    kind = "NotFoundError"


class BodyTooLarge(ApiError):
    """The request body exceeds the operator's limit."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The request body is larger than {limit_bytes} bytes.")
        self.limit_bytes = limit_bytes


class RateLimited(ApiError):
    """An address has asked for too much expensive work recently. retry_after_s: when more is allowed."""

    def __init__(self, what: str, retry_after_s: float) -> None:
        super().__init__(f"Too many {what} for one address. Try again in {max(1, round(retry_after_s))} s.")
        self.retry_after_s = retry_after_s


class IdempotencyKeyReused(ApiError):
    """The name of a request was given to another one before, with another method, path or body."""

    param = "Idempotency-Key"

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key, or payment-identifier, was sent within the last minutes with another request. Give "
            "each request its own, and repeat it only with the same method, path and body."
        )


class Unauthorized(ApiError):
    """An operator's route was called without the admin token."""

    def __init__(self) -> None:
        super().__init__(
            "This needs the header Authorization: Bearer TOKEN, with the admin token of run.json in the node's home."
        )


class NotFound(ApiError):
    """No such path, receipt, batch, proof or Datanet."""

    def __init__(self, what: str) -> None:
        super().__init__(f"This node has no {what}.")


class MethodNotAllowed(ApiError):
    """The path exists, but not for this HTTP method. allowed: the methods that it accepts."""

    def __init__(self, method: str, path: str, allowed: Sequence[str] = ()) -> None:
        accepted = f" It accepts {', '.join(allowed)}." if allowed else ""
        super().__init__(f"{path} does not accept the method {method}.{accepted}")
        self.allowed = tuple(allowed)


class NotOffered(ApiError):
    """A route of paid serving was called on a node that serves without payment."""

    def __init__(self, what: str) -> None:
        super().__init__(f"This node serves without payment, so it has no {what}.")


class GenerationFailed(ApiError):
    """The engine failed on an accepted request. Nothing is charged."""


@dataclass(frozen=True, slots=True)
class Fault:
    """How errors of one class are answered. title: the summary in problem details."""

    exception: type[Exception]
    status: int
    code: str
    title: str


TABLE: tuple[Fault, ...] = (
    Fault(UnsupportedField, 400, "unsupported_field", "The request uses a field this node does not support"),
    Fault(InvalidBody, 400, "invalid_request", "The request is malformed"),
    Fault(AdapterNameTaken, 400, "invalid_request", "The request is malformed"),
    Fault(serving_errors.InvalidRequest, 400, "invalid_request", "The request is malformed"),
    Fault(serving_errors.ContextTooLong, 400, "context_length_exceeded", "The prompt does not fit the context"),
    Fault(serving_errors.ChatTemplateFailed, 400, "chat_template_failed", "The chat template refused the messages"),
    Fault(serving_errors.SourceRefused, 400, "source_refused", "The adapter source is not allowed"),
    Fault(payment_errors.PaymentInvalid, 400, "payment_invalid", "The payment is malformed or wrongly signed"),
    Fault(Unauthorized, 401, "unauthorized", "The admin token is missing or wrong"),
    Fault(payment_errors.PaymentRequired, 402, "payment_required", "The request is not covered by a payment"),
    Fault(serving_errors.ModelNotFound, 404, "model_not_found", "No such model"),
    Fault(AdapterUnknown, 404, "model_not_found", "No such model"),
    Fault(NotFound, 404, "not_found", "Not found"),
    Fault(NotOffered, 404, "not_offered", "This node serves without payment"),
    Fault(payment_errors.ChannelUnknown, 404, "channel_unknown", "No such channel"),
    Fault(MethodNotAllowed, 405, "method_not_allowed", "The path does not accept this method"),
    Fault(serving_errors.AdapterBusy, 409, "adapter_busy", "The adapter is in use, pinned, or being loaded or removed"),
    Fault(payment_errors.VoucherStale, 409, "voucher_stale", "The voucher adds no capacity"),
    Fault(payment_errors.NonceUsed, 409, "nonce_used", "The signed request was already presented"),
    Fault(payment_errors.PriceUnknown, 409, "price_unknown", "No price is registered for this adapter"),
    Fault(payment_errors.SettlementUnknown, 409, "settlement_unknown", "Sent to the chain and not confirmed yet"),
    Fault(settlement_errors.TransactionPending, 409, "settlement_unknown", "Sent to the chain and not confirmed yet"),
    Fault(settlement_errors.TransactionFailed, 409, "transaction_failed", "The chain refused the transaction"),
    Fault(settlement_errors.SenderUnfunded, 409, "transaction_failed", "The chain refused the transaction"),
    Fault(
        settlement_errors.ContributorsUnknown, 409, "contributors_unknown", "The contributors of a Datanet are unknown"
    ),
    Fault(
        settlement_errors.ContributorsForged,
        409,
        "contributors_forged",
        "The list of contributors does not match the chain",
    ),
    Fault(settlement_errors.LedgerConflict, 409, "ledger_conflict", "The chain holds another ledger of this node"),
    Fault(settlement_errors.VaultShared, 409, "ledger_conflict", "The chain holds another ledger of this node"),
    Fault(payment_errors.RequestExpired, 410, "request_expired", "The signed request is too old"),
    Fault(payment_errors.PriceExpired, 410, "price_expired", "The signed price list is no longer in force"),
    Fault(IdempotencyKeyReused, 409, "idempotency_key_reused", "Another request has this name"),
    Fault(BodyTooLarge, 413, "body_too_large", "The request body is too large"),
    Fault(serving_errors.AdapterIncompatible, 422, "adapter_incompatible", "The adapter cannot be applied exactly"),
    Fault(serving_errors.AdapterCorrupt, 422, "adapter_corrupt", "The adapter's files are damaged"),
    Fault(payment_errors.ChannelRefused, 422, "channel_refused", "The channel does not meet this node's conditions"),
    Fault(payment_errors.DepositFailed, 422, "deposit_failed", "The chain refused the deposit"),
    Fault(payment_errors.ChannelBusy, 429, "channel_busy", "Another request runs on the channel"),
    Fault(payment_errors.RelayLimited, 429, "relay_limited", "Too many deposits recently"),
    Fault(RateLimited, 429, "rate_limited", "Too much expensive work for one address"),
    Fault(serving_errors.Overloaded, 429, "overloaded", "The node is at capacity"),
    Fault(GenerationFailed, 500, "generation_failed", "The engine failed on this request"),
    Fault(serving_errors.BaseModelUnusable, 500, "base_model_unusable", "The base model cannot be served"),
    Fault(settlement_errors.LedgerBroken, 500, "ledger_broken", "The ledger cannot be rebuilt"),
    Fault(chain_errors.ChainError, 502, "chain_refused", "The chain refused the call or its answer is invalid"),
    Fault(chain_errors.ChainUnavailable, 503, "chain_unavailable", "The chain does not answer"),
    Fault(store_errors.StoreError, 503, "storage_unavailable", "The node's storage cannot be written"),
    Fault(serving_errors.StorageFailed, 503, "storage_unavailable", "The node's storage cannot be written"),
    Fault(serving_errors.SourceUnavailable, 503, "source_unavailable", "The adapter's source does not answer"),
    Fault(serving_errors.NotReady, 503, "not_ready", "The node is starting or draining"),
    Fault(serving_errors.DeadlinePassed, 504, "deadline_passed", "The request waited too long"),
)
INTERNAL = Fault(Exception, 500, "internal_error", "The node failed")
_MAY_PASS = frozenset({"adapter_busy", "settlement_unknown"})
_FINAL = frozenset(
    {fault.code for fault in TABLE if fault.status == 409 and fault.code not in _MAY_PASS}
    | {"base_model_unusable", "ledger_broken"}
)
"""Codes of errors that the same request meets again. OpenAI's clients retry every 409 and 5xx unless they are told."""
_FAULTS: Mapping[type[BaseException], Fault] = {fault.exception: fault for fault in TABLE}


@dataclass(frozen=True, slots=True)
class Answer:
    """An error as it is sent: status, extra headers, and the members of the body.

    numbers: figures that the error's body carries.   kind: OpenAI's error `type`; None derives it from the status.
    """

    status: int
    code: str
    title: str
    message: str
    param: str | None
    headers: Mapping[str, str]
    numbers: Mapping[str, object]
    kind: str | None


def fault_of(error: BaseException) -> Fault:
    """The table's entry for the nearest base class of `error`; `INTERNAL` for an unexpected error."""
    return next((_FAULTS[cls] for cls in type(error).__mro__ if cls in _FAULTS), INTERNAL)


def answer(error: BaseException, redact: Callable[[str], str] = str) -> Answer:
    """The answer that reports `error`. The text of an unexpected error is left out: it may name paths or secrets."""
    fault = fault_of(error)
    message = "The node failed on this request; its log has the details." if fault is INTERNAL else redact(str(error))
    param = getattr(error, "param", None) or getattr(error, "field", None)
    headers, numbers = _headers(error, fault), _numbers(error)
    return Answer(
        fault.status,
        fault.code,
        fault.title,
        message or fault.title,
        param,
        headers,
        numbers,
        getattr(error, "kind", None),
    )


def _headers(error: BaseException, fault: Fault) -> dict[str, str]:
    if isinstance(error, MethodNotAllowed):
        return {"Allow": ", ".join(error.allowed)}  # RFC 9110, 15.5.6
    if fault.code in _FINAL:
        return {"X-Should-Retry": "false"}
    if fault.status == 413:
        return {"Connection": "close"}  # the rest of the body is not read
    if fault.status in (429, 503):
        return {"Retry-After": str(max(1, round(getattr(error, "retry_after_s", None) or 1)))}
    return {}


def _numbers(error: BaseException) -> Mapping[str, object]:
    """The figures a payer's program needs to do better next time, as decimal strings in base units."""
    return error.numbers() if isinstance(error, payment_errors.PaymentError) else {}


def openai_body(reply: Answer) -> dict[str, object]:
    """OpenAI's error object. Its SDKs show `message` and pass `code` and `param` on to the caller."""
    kind = {401: "authentication_error", 402: "payment_required", 429: "rate_limit_error"}
    fallback = "server_error" if reply.status >= 500 else "invalid_request_error"
    error_type = reply.kind or kind.get(reply.status, fallback)
    error = {"message": reply.message, "type": error_type, "code": reply.code, "param": reply.param}
    return {"error": {**error, **reply.numbers}}


def problem_body(reply: Answer, request_id: str) -> dict[str, object]:
    """RFC 9457 problem details, with our `code`, the request id and the error's numbers as extension members."""
    body = {
        "type": f"urn:openlora:error:{reply.code}",
        "title": reply.title,
        "status": reply.status,
        "detail": reply.message,
        "code": reply.code,
        "request_id": request_id,
    }
    return {**body, **({"param": reply.param} if reply.param else {}), **reply.numbers}
