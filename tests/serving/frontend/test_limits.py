"""The bounds of what a request may ask of its sampling."""

import pytest

from serving.errors import InvalidRequest
from serving.frontend.limits import MAX_BIASES, MAX_STOPS, check_sampling
from serving.types import SamplingParams


@pytest.mark.parametrize(
    ("param", "sampling"),
    [
        ("temperature", SamplingParams(temperature=101)),
        ("temperature", SamplingParams(temperature=float("nan"))),
        ("top_p", SamplingParams(top_p=1.1)),
        ("stop", SamplingParams(stop=("x",) * (MAX_STOPS + 1))),
        ("stop", SamplingParams(stop=("x" * 257,))),
        ("min_tokens", SamplingParams(min_tokens=11)),
        ("repetition_penalty", SamplingParams(repetition_penalty=10.1)),
        ("stop_token_ids", SamplingParams(stop_token_ids=(100,))),
        ("logit_bias", SamplingParams(logit_bias=tuple((token, 1.0) for token in range(MAX_BIASES + 1)))),
    ],
)
def test_values_out_of_range_are_refused_by_name(param: str, sampling: SamplingParams) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_sampling(sampling, 10, 100)

    assert refused.value.param == param


def test_the_ends_of_every_range_are_accepted() -> None:
    check_sampling(
        SamplingParams(
            temperature=100.0,
            top_p=1.0,
            stop=("x" * 256,) * MAX_STOPS,
            min_p=1.0,
            presence_penalty=-2.0,
            frequency_penalty=2.0,
            repetition_penalty=0.1,
            min_tokens=10,
            stop_token_ids=(0, 99),
            logit_bias=((99, -100.0), (0, 100.0)),
            logprobs=20,
        ),
        10,
        100,
    )


@pytest.mark.parametrize("sampling", [SamplingParams(ignore_eos=True), SamplingParams(min_tokens=1)])
def test_a_grammar_decides_alone_when_the_output_ends(sampling: SamplingParams) -> None:
    check_sampling(sampling, 10, 100)
    with pytest.raises(InvalidRequest, match="response_format"):
        check_sampling(sampling, 10, 100, has_grammar=True)
