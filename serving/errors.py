"""The errors that `serving` raises on purpose. Each carries its values as attributes and says what to do.

ServingError
├── ModelNotFound                       no such model
├── InvalidRequest ── NameTaken         a field cannot be served as asked
├── ContextTooLong, ChatTemplateFailed  the prompt cannot be served
├── AdapterIncompatible, AdapterCorrupt the adapter's files cannot be served
├── SourceUnavailable, SourceRefused    the adapter's source cannot be read
├── AdapterBusy                         the adapter cannot change now
├── Overloaded, DeadlinePassed          the node has too much to do
├── NotReady                            the engine is not running
└── BaseModelUnusable, StorageFailed    the operator must act
"""

from pathlib import Path


class ServingError(Exception):
    """Base of all errors that a caller of `serving` may see."""


class ModelNotFound(ServingError):
    """No base, adapter name or digest matches. The base never answers instead."""

    def __init__(self, model: str) -> None:
        super().__init__(f"The model {model!r} does not exist. GET /v1/models lists what this node serves.")
        self.model = model


class InvalidRequest(ServingError):
    """A field of the request cannot be served as asked. param: the field."""

    def __init__(self, param: str, problem: str) -> None:
        super().__init__(f"{param}: {problem}")
        self.param, self.problem = param, problem


class NameTaken(InvalidRequest):
    """The name is in use by another adapter or the base, and the caller did not ask to replace it."""

    def __init__(self, name: str, reason: str) -> None:
        """reason: completes "the adapter x …"."""
        super().__init__("name", f"{name!r} {reason}; give another name, or remove or replace the adapter")
        self.name, self.reason = name, reason


class ContextTooLong(ServingError):
    """Prompt and output together exceed the context. The text begins as OpenAI's, because client libraries match it."""

    def __init__(self, prompt_tokens: int, max_new_tokens: int, context_tokens: int) -> None:
        super().__init__(
            f"This model's maximum context length is {context_tokens} tokens. However, you requested "
            f"{prompt_tokens + max_new_tokens} tokens ({prompt_tokens} in the prompt, {max_new_tokens} in the "
            "completion). Shorten the prompt or lower max_tokens."
        )
        self.prompt_tokens, self.max_new_tokens, self.context_tokens = prompt_tokens, max_new_tokens, context_tokens


class ChatTemplateFailed(ServingError):
    """The chat template refused these messages, took too long or produced too much text. reason: a whole sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class AdapterIncompatible(ServingError):
    """The adapter cannot be applied exactly. field: the part of the adapter that prevents it."""

    def __init__(self, adapter: str, field: str, reason: str) -> None:
        super().__init__(f"Adapter {adapter!r} cannot be served: {field}: {reason}")
        self.adapter, self.field, self.reason = adapter, field, reason


class AdapterCorrupt(ServingError):
    """A file of the adapter is damaged, truncated, not safetensors, or differs from its expected digest."""

    def __init__(self, adapter: str, file: str, reason: str) -> None:
        super().__init__(f"Adapter {adapter!r} is damaged: {file}: {reason}")
        self.adapter, self.file, self.reason = adapter, file, reason


class SourceUnavailable(ServingError):
    """The adapter's source does not answer or does not have it. retry_after_s: None if a retry does not help."""

    def __init__(self, source: str, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{source} is unavailable: {reason}")
        self.source, self.reason, self.retry_after_s = source, reason, retry_after_s


class SourceRefused(ServingError):
    """The source is malformed or not allowed: unknown scheme, unpinned revision, path outside the allowed folders."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source!r} is refused: {reason}")
        self.source, self.reason = source, reason


class AdapterBusy(ServingError):
    """The adapter cannot be evicted, removed or replaced now.

    adapter: what the operator calls it, `name` or `name@digest`.   reason: completes "Adapter x …" and says what to do.
    """

    def __init__(self, adapter: str, reason: str) -> None:
        super().__init__(f"Adapter {adapter} {reason}")
        self.adapter, self.reason = adapter, reason


class Overloaded(ServingError):
    """The queue is full. Try again after `retry_after_s` seconds."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"The node is at capacity. Try again in {retry_after_s:.0f} s.")
        self.retry_after_s = retry_after_s


class DeadlinePassed(ServingError):
    """The request waited longer than it, or the operator, allows. None of it was computed."""

    def __init__(self, waited_s: float) -> None:
        super().__init__(f"The request waited {waited_s:.1f} s and its time is over. Try again, or allow more time.")
        self.waited_s = waited_s


class NotReady(ServingError):
    """The engine is starting, draining or has stopped. reason: a whole sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BaseModelUnusable(ServingError):
    """The base model's folder or repository cannot be served. reason: what is wrong, where, and what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class StorageFailed(ServingError):
    """The node's own disk is full, or refused a read or a write.

    action: `write`, `read`, or `read X in`.   fix: whole sentences.
    """

    def __init__(self, action: str, path: Path, reason: str, fix: str) -> None:
        super().__init__(f"Cannot {action} {path}: {reason}. {fix}")
        self.action, self.path, self.reason, self.fix = action, path, reason, fix
