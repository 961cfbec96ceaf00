"""OpenAI's two forms of logprobs."""

from node.api.logprobs_shape import writer
from serving.types import TokenLogprobs, TokenText

TEXTS = [
    TokenText("é".encode(), True),
    TokenText("漢".encode()[:2], True),
    TokenText(b"<end>", False),
    TokenText(b"a", True),
]
TOKENS = [
    TokenLogprobs(0, -0.5, ((0, -0.5), (3, -1.0))),
    TokenLogprobs(2, float("-inf"), ((3, -1.0),)),
    TokenLogprobs(3, -2.0, ()),
]


def test_chat_names_each_token_with_its_bytes_and_the_likeliest() -> None:
    document = writer("chat", TEXTS.__getitem__)(TOKENS[:1])

    assert document == {
        "content": [
            {
                "token": "é",
                "logprob": -0.5,
                "bytes": [0xC3, 0xA9],
                "top_logprobs": [
                    {"token": "é", "logprob": -0.5, "bytes": [0xC3, 0xA9]},
                    {"token": "a", "logprob": -1.0, "bytes": [0x61]},
                ],
            }
        ],
        "refusal": None,
    }


def test_a_completion_counts_the_visible_characters_across_calls() -> None:
    write = writer("text", TEXTS.__getitem__)

    first, second = write(TOKENS[:2]), write(TOKENS[2:])

    assert (first["tokens"], second["tokens"]) == (["é", "<end>"], ["a"])
    assert (first["text_offset"], second["text_offset"]) == ([0, 1], [1])
    assert first["token_logprobs"] == [-0.5, -9999.0]
    assert first["top_logprobs"] == [{"é": -0.5, "a": -1.0}, {"a": -1.0, "<end>": -9999.0}]


def test_bytes_that_are_not_whole_characters_are_spelled_as_bytes() -> None:
    document = writer("text", TEXTS.__getitem__)([TokenLogprobs(1, -1.0, ())])

    assert document["tokens"] == ["bytes:\\xe6\\xbc"]
