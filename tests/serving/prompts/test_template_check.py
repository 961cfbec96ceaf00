"""A chat template that no request could be rendered with is found before it is served."""

import pytest

from serving.errors import NotReady
from serving.prompts.template_check import template_problem
from tests.serving.exhausted import no_descriptors

UNUSABLE = {
    "a syntax error": (
        "one\n{% for message in %}\n{% endfor %}",
        "line 2: TemplateSyntaxError: Expected an expression",
    ),
    "an unknown filter": ("{{ messages | nonsense }}", "line 1: TemplateAssertionError: No filter named 'nonsense'"),
    "too many nested loops for Python": ("{% for m in messages %}" * 30 + "{% endfor %}" * 30, "SyntaxError"),
    "parentheses without end": ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "RecursionError"),
    "an error in every conversation": ("{{ raise_exception('never') }}", "TemplateError: never"),
    "a constant too large to fold": ("{{ 'x' * 20000000000 }}", "memory"),
    "a power too large to fold": ("{{ 9 ** (9 ** 9) }}", "more than 10 s or more memory"),
}


@pytest.mark.parametrize(("template", "reason"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_an_unusable_template_is_found_with_the_reason_and_the_line(template: str, reason: str) -> None:
    assert reason in (template_problem(template) or "")


USABLE = {
    "one for users only": "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}{{ messages }}",
    "one that insists on a system message": (
        "{% if messages[0].role != 'system' %}{{ raise_exception('no') }}{% endif %}{{ messages }}"
    ),
    "one with a token of the base's own": "{{ image_token + messages[0].content }}",
    "Hugging Face's tags": (
        "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% break %}{% endfor %}"
    ),
}


@pytest.mark.parametrize("template", USABLE.values(), ids=USABLE.keys())
def test_a_template_that_works_for_some_conversation_is_taken(template: str) -> None:
    assert template_problem(template) is None


def test_a_check_that_cannot_start_for_lack_of_descriptors_is_not_the_template_s_fault() -> None:
    with no_descriptors(), pytest.raises(NotReady, match="Too many open files"):
        template_problem("{{ messages }} asked for the first time: results are cached")
