"""Everything `serving` raises on purpose. Each carries its values and says what to do."""


class ServingError(Exception):
    """Base of all errors a caller of `serving` may see."""


class ModelNotFound(ServingError):
    """No base, adapter name or digest matches. Never answered by the base instead."""

    def __init__(self, model: str) -> None:
        super().__init__(f"The model {model!r} does not exist. GET /v1/models lists what this node serves.")
        self.model = model


class InvalidRequest(ServingError):
    """A field of the request cannot be served as asked."""

    def __init__(self, param: str, problem: str) -> None:
        super().__init__(f"{param}: {problem}")
        self.param = param


class ContextTooLong(ServingError):
    """Prompt plus asked output do not fit the context."""

    def __init__(self, prompt_tokens: int, max_new_tokens: int, context_tokens: int) -> None:
        super().__init__(
            f"The prompt has {prompt_tokens} tokens and {max_new_tokens} more were asked for, but the context holds "
            f"{context_tokens}. Shorten the prompt or lower max_tokens."
        )
        self.prompt_tokens, self.max_new_tokens, self.context_tokens = prompt_tokens, max_new_tokens, context_tokens


class ChatTemplateFailed(ServingError):
    """The model's chat template refused these messages, took too long or produced too much."""


class AdapterIncompatible(ServingError):
    """The adapter cannot be applied exactly. `field` names what stands in the way."""

    def __init__(self, adapter: str, field: str, reason: str) -> None:
        super().__init__(f"Adapter {adapter!r} cannot be served: {field}: {reason}")
        self.adapter, self.field, self.reason = adapter, field, reason


class AdapterCorrupt(ServingError):
    """A file of the adapter is damaged, truncated, not safetensors, or differs from its expected digest."""

    def __init__(self, adapter: str, file: str, reason: str) -> None:
        super().__init__(f"Adapter {adapter!r} is damaged: {file}: {reason}")
        self.adapter, self.file, self.reason = adapter, file, reason


class SourceUnavailable(ServingError):
    """The place an adapter should come from does not answer or does not have it. `retry_after_s` if trying helps."""

    def __init__(self, source: str, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{source} is unavailable: {reason}")
        self.source, self.reason, self.retry_after_s = source, reason, retry_after_s


class SourceRefused(ServingError):
    """The source is malformed or not allowed: unknown scheme, unpinned revision, path outside the allowed folders."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source!r} is refused: {reason}")
        self.source, self.reason = source, reason


class NameTaken(InvalidRequest):
    """An adapter is served, or is being added, under this name, and the caller did not ask to replace it."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__("name", f"{name!r} {reason}; remove it first, give another name, or replace it in place")
        self.name, self.reason = name, reason


class AdapterBusy(ServingError):
    """The adapter cannot leave or change now. `adapter` is what the operator calls it; `reason` says what to do."""

    def __init__(self, adapter: str, reason: str) -> None:
        super().__init__(f"Adapter {adapter} {reason}")
        self.adapter, self.reason = adapter, reason


class Overloaded(ServingError):
    """The queue is full. Try again after `retry_after_s`."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"The node is at capacity. Try again in {retry_after_s:.0f} s.")
        self.retry_after_s = retry_after_s


class DeadlinePassed(ServingError):
    """The request waited longer than it, or the operator, allows; nothing of it was computed."""

    def __init__(self, waited_s: float) -> None:
        super().__init__(f"The request waited {waited_s:.1f} s and its time is over. Try again, or allow more time.")
        self.waited_s = waited_s


class NotReady(ServingError):
    """The engine is starting, draining or has stopped."""


class BaseModelUnusable(ServingError):
    """The base model's folder or repository cannot be served: what is wrong and where."""


class StorageFailed(ServingError):
    """The node's own disk is full or refused a write: which path, and what to do."""
