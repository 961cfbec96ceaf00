"""The child process answers one line of JSON with one, and a template that takes too long ends it."""

import json
import subprocess
import sys
from typing import Any

from serving.prompts.templates import WORKER


def answers(*jobs: dict[str, Any]) -> list[dict[str, Any]]:
    """What the worker answers before it ends."""
    defaults = {"messages": [{"role": "user", "content": "ü"}], "names": {}, "limit_s": 1, "limit_chars": 100}
    lines = "".join(json.dumps(defaults | job) + "\n" for job in jobs)
    child = subprocess.run(
        [sys.executable, "-I", str(WORKER)], input=lines, capture_output=True, text=True, check=False
    )
    greeting, *rest = child.stdout.splitlines()
    assert greeting == "ready"
    return [json.loads(line) for line in rest]


def test_each_job_is_answered_in_turn() -> None:
    answered = answers(
        {"template": "{{ messages[0].content }}{{ name }}", "names": {"name": "<s>"}},
        {"template": "a\n{% if %}"},
        {"template": "{{ 'x' * 101 }}"},
        {"template": "{{ raise_exception('no') }}"},
        {"template": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"},
        {"template": "never reached"},
    )

    assert answered == [
        {"text": "ü<s>"},
        {"error": "TemplateSyntaxError: Expected an expression, got 'end of statement block'", "line": 2},
        {"error": "it produced 101 characters"},
        {"error": "TemplateError: no"},
    ]
