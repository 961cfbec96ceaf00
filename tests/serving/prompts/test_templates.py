"""Chat templates are strangers' programs: they render as in Hugging Face, and cannot hang or hurt the node."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from serving.errors import ChatTemplateFailed, NotReady
from serving.prompts.templates import LIMIT_S, WORKER, TemplateRenderer
from serving.prompts.vocabulary import Vocabulary
from serving.types import ChatMessage
from tests.serving.exhausted import no_descriptors
from tests.serving.tiny import TEMPLATE, tokenizer

MESSAGES = [ChatMessage("system", "Be brief."), ChatMessage("user", "How is 漢字 pronounced? 'x' <b>")]


@pytest.fixture
async def renderer() -> AsyncIterator[TemplateRenderer]:
    renderer = TemplateRenderer()
    yield renderer
    await renderer.close()


async def test_a_template_renders_and_encodes_as_hugging_face_does(renderer: TemplateRenderer) -> None:
    hf = tokenizer()
    vocabulary = Vocabulary.of(hf)
    chat = [{"role": message.role, "content": message.content} for message in MESSAGES]

    rendered = await renderer.render(TEMPLATE, MESSAGES, vocabulary.named_tokens)

    assert rendered == hf.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    expected = hf.apply_chat_template(chat, tokenize=True, add_generation_prompt=True)
    assert vocabulary.encode_rendered(rendered, {}) == expected["input_ids"]


async def test_every_extension_of_hugging_face_s_templates_renders_as_there(renderer: TemplateRenderer) -> None:
    template = (
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}{{ m | tojson }}"
        "{% generation %}{{ m.content.title() }}{% endgeneration %}{% break %}{% endfor %}{{ strftime_now('%Y') }}"
    )
    chat = [{"role": message.role, "content": message.content} for message in MESSAGES]

    rendered = await renderer.render(template, MESSAGES, {"bos_token": "<s>"})

    expected, _ = render_jinja_template(conversations=[chat], chat_template=template, bos_token="<s>")
    assert [rendered] == expected
    assert "漢字" in rendered


def test_the_worker_starts_without_the_models_that_transformers_knows() -> None:
    program = f"import runpy, sys; runpy.run_path({str(WORKER)!r})['import_renderer'](); print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True).stdout

    assert "transformers.utils.chat_template_utils" in loaded.split()
    assert not {"torch", "tokenizers", "transformers.models"} & set(loaded.split())


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'x' * 2000000000 }}",
        "{% set ns = namespace(x='x') %}{% for i in range(40) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ raise_exception('system messages are not supported') }}",
        "{% for message in %}",
        "{{ range(99999999999) }}",
    ],
    ids=["endless", "huge", "doubling", "escape", "refusing", "broken", "range"],
)
async def test_a_hostile_or_broken_template_fails_only_itself(renderer: TemplateRenderer, template: str) -> None:
    await renderer.render("warm", MESSAGES, {})
    started = time.monotonic()

    with pytest.raises(ChatTemplateFailed):
        await renderer.render(template, MESSAGES, {})

    assert time.monotonic() - started < LIMIT_S + 5
    assert await renderer.render("{{ messages[1].role }}", MESSAGES, {}) == "user"


async def test_the_event_loop_runs_while_a_template_hangs(renderer: TemplateRenderer) -> None:
    await renderer.render("warm", MESSAGES, {})
    hanging = asyncio.create_task(
        renderer.render("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", MESSAGES, {})
    )
    turns = 0

    while not hanging.done():
        await asyncio.sleep(0.05)
        turns += 1

    assert turns > 10
    assert isinstance(hanging.exception(), ChatTemplateFailed)


async def test_a_cancelled_render_does_not_answer_the_next_one(renderer: TemplateRenderer) -> None:
    await renderer.render("warm", MESSAGES, {})
    slow = asyncio.create_task(renderer.render("{% for i in range(99999) %}.{% endfor %}", MESSAGES, {}))
    await asyncio.sleep(0.001)
    slow.cancel()

    assert await renderer.render("mine", MESSAGES, {}) == "mine"


async def test_a_renderer_that_cannot_start_for_lack_of_descriptors_is_not_the_template_s_fault(
    renderer: TemplateRenderer,
) -> None:
    with no_descriptors(), pytest.raises(NotReady, match="Too many open files"):
        await renderer.render(TEMPLATE, MESSAGES, {})

    assert await renderer.render("{{ messages[0]['content'] }}", MESSAGES, {}) == "Be brief."
