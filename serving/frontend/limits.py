"""The limits of what a request may ask for."""

from collections.abc import Collection

from serving.errors import InvalidRequest
from serving.sampling.logprobs import MAX_TOP_LOGPROBS
from serving.types import GenerationRequest, SamplingParams

MAX_STOPS = 16
MAX_STOP_CHARS = 256
MAX_STOP_TOKEN_IDS = 64
MAX_BIASES = 300
REPETITION_PENALTY = (0.1, 10.0)


def check_admission(request: GenerationRequest) -> None:
    """Raises InvalidRequest for values that were added after the request was prepared."""
    if request.granted_tokens < 1:
        raise InvalidRequest("granted_tokens", "must be at least 1")
    if request.deadline_s is not None and not request.deadline_s > 0:
        raise InvalidRequest("deadline_s", "must be above 0")


def check_sampling(
    sampling: SamplingParams, max_new_tokens: int, vocabulary_size: int, *, has_grammar: bool = False
) -> None:
    """Raises InvalidRequest for values out of range, and for combinations that mean nothing.

    max_new_tokens: of each choice. has_grammar: whether the output must follow one.
    """
    if not 0 <= sampling.temperature <= 100:
        raise InvalidRequest("temperature", "must be between 0 and 100")
    if not 0 < sampling.top_p <= 1:
        raise InvalidRequest("top_p", "must be above 0 and at most 1")
    if sampling.top_k < 0:
        raise InvalidRequest("top_k", "must be 0 (off) or more")
    if len(sampling.stop) > MAX_STOPS or any(not 0 < len(stop) <= MAX_STOP_CHARS for stop in sampling.stop):
        raise InvalidRequest("stop", f"takes up to {MAX_STOPS} strings of 1 to {MAX_STOP_CHARS} characters")
    if not 0 <= sampling.min_p <= 1:
        raise InvalidRequest("min_p", "must be between 0 and 1")
    if not 0 <= sampling.min_tokens <= max_new_tokens:
        raise InvalidRequest("min_tokens", f"must be between 0 and max_tokens, which is {max_new_tokens}")
    if sampling.logprobs is not None and not 0 <= sampling.logprobs <= MAX_TOP_LOGPROBS:
        raise InvalidRequest("logprobs", f"must be between 0 and {MAX_TOP_LOGPROBS}")
    _check_penalties(sampling)
    _check_token_ids("stop_token_ids", sampling.stop_token_ids, MAX_STOP_TOKEN_IDS, vocabulary_size)
    _check_token_ids("logit_bias", [token for token, _ in sampling.logit_bias], MAX_BIASES, vocabulary_size)
    if len(dict(sampling.logit_bias)) < len(sampling.logit_bias):
        raise InvalidRequest("logit_bias", "names a token id twice")
    if not all(-100 <= bias <= 100 for _, bias in sampling.logit_bias):
        raise InvalidRequest("logit_bias", "values must be between -100 and 100")
    if has_grammar:
        _check_may_end(sampling)


def _check_may_end(sampling: SamplingParams) -> None:
    """Once a value is complete, its grammar allows nothing but the end."""
    for param, is_set in (("ignore_eos", sampling.ignore_eos), ("min_tokens", sampling.min_tokens > 0)):
        if is_set:
            raise InvalidRequest(param, "cannot be combined with response_format")


def _check_penalties(sampling: SamplingParams) -> None:
    if not -2 <= sampling.presence_penalty <= 2:
        raise InvalidRequest("presence_penalty", "must be between -2 and 2")
    if not -2 <= sampling.frequency_penalty <= 2:
        raise InvalidRequest("frequency_penalty", "must be between -2 and 2")
    low, high = REPETITION_PENALTY
    if not low <= sampling.repetition_penalty <= high:
        raise InvalidRequest("repetition_penalty", f"must be between {low} and {high}")


def _check_token_ids(param: str, token_ids: Collection[int], most: int, vocabulary_size: int) -> None:
    if len(token_ids) > most:
        raise InvalidRequest(param, f"takes up to {most} token ids")
    if not all(0 <= token < vocabulary_size for token in token_ids):
        raise InvalidRequest(param, f"token ids must be between 0 and {vocabulary_size - 1}")
