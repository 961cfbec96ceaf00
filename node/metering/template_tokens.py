"""How many tokens chat templates add to a prompt. They are part of what a request can cost before it is tokenised."""

from collections import OrderedDict
from dataclasses import dataclass, field

from serving.errors import ChatTemplateFailed, ContextTooLong, InvalidRequest
from serving.service import Service
from serving.types import ChatMessage, ChatPrompt, ResolvedModel

MOST_MODELS = 1024
"""How many models are remembered."""
_EMPTY = ChatPrompt((ChatMessage("user", ""),))


@dataclass(slots=True)
class TemplateTokens:
    """The tokens around one empty message, measured once per model. Further messages take more bytes than tokens."""

    _measured: OrderedDict[ResolvedModel, int] = field(default_factory=OrderedDict)

    async def of(self, service: Service, model: ResolvedModel) -> int:
        """The tokens that the model's chat template adds; its whole context if it renders no empty message."""
        known = self._measured.get(model)
        if known is None:
            known = self._measured[model] = await _measured(service, model)
            if len(self._measured) > MOST_MODELS:
                self._measured.popitem(last=False)
        return known


async def _measured(service: Service, model: ResolvedModel) -> int:
    try:
        return len((await service.prepare(model, _EMPTY, 1)).prompt_ids)
    except (ChatTemplateFailed, ContextTooLong, InvalidRequest):
        return service.context_tokens
