"""The values that cross the border of `serving`: requests, events, and snapshots of models and of the engine.

Importing them does not load torch.
"""

from serving.types.digests import AdapterDigest, BaseDigest
from serving.types.events import (
    End,
    FinishReason,
    Outcome,
    TokenEvent,
    TokenLogprobs,
    TokenText,
    Usage,
)
from serving.types.requests import (
    AdapterPart,
    ChatMessage,
    ChatPrompt,
    GenerationRequest,
    Grammar,
    Matcher,
    Prepared,
    Prompt,
    ResolvedModel,
    SamplingParams,
    TextPrompt,
    TokenPrompt,
)
from serving.types.snapshots import Activity, EngineStats, ModelCard, Residency

__all__ = [
    "Activity",
    "AdapterDigest",
    "AdapterPart",
    "BaseDigest",
    "ChatMessage",
    "ChatPrompt",
    "End",
    "EngineStats",
    "FinishReason",
    "GenerationRequest",
    "Grammar",
    "Matcher",
    "ModelCard",
    "Outcome",
    "Prepared",
    "Prompt",
    "Residency",
    "ResolvedModel",
    "SamplingParams",
    "TextPrompt",
    "TokenEvent",
    "TokenLogprobs",
    "TokenPrompt",
    "TokenText",
    "Usage",
]
