"""Checks a chat template before it is served: it must compile and render at least one kind of conversation."""

import json
import subprocess
import sys
from functools import lru_cache

from serving.errors import ChatTemplateFailed, NotReady
from serving.prompts.templates import WORKER

_LIMIT_S = 10.0
_START_LIMIT_S = 60.0
_CONVERSATIONS = (("user",), ("system", "user"), ("user", "assistant", "user"))
_NAMES = {f"{name}_token": f"<{name}>" for name in ("bos", "eos", "unk", "pad", "sep", "cls", "mask")}


@lru_cache(maxsize=32)  # many adapters of one base come with the same template, and a check starts a process
def template_problem(template: str) -> str | None:
    """Why `template` fails for every conversation, with the line if it has a syntax error; None if it works for one.

    A template that only lacks a variable passes: the base model may define it as a special token. It is compiled and
    rendered in a child process with limits on time and memory, as `TemplateRenderer` does, for three short
    conversations. Blocking, for some seconds. Raises ChatTemplateFailed if the process does not work,
    NotReady if this machine cannot start it now.
    """
    conversations = [[{"role": role, "content": "Hello"} for role in roles] for roles in _CONVERSATIONS]
    jobs = [
        {"template": template, "messages": messages, "names": _NAMES, "limit_s": _LIMIT_S, "limit_chars": 1 << 20}
        for messages in conversations
    ]
    try:
        child = subprocess.run(
            [sys.executable, "-I", str(WORKER)],
            input="".join(json.dumps(job) + "\n" for job in jobs),
            capture_output=True,
            text=True,
            check=False,  # a template may end the process
            timeout=_START_LIMIT_S + _LIMIT_S * len(jobs),
        )
    except OSError as error:
        reason = error.strerror or str(error)
        raise NotReady(f"The process that checks chat templates does not start now: {reason}.") from error
    except subprocess.TimeoutExpired as error:
        raise ChatTemplateFailed(f"The process that checks chat templates does not work: {error}") from error
    greeting, *lines = child.stdout.splitlines() or [""]
    if greeting != "ready":
        raise ChatTemplateFailed("The process that checks chat templates does not start.")
    answers = [json.loads(line) for line in lines]
    if any("text" in answer or answer["error"].startswith("UndefinedError") for answer in answers):
        return None
    if not answers:
        return f"rendering one short message takes more than {_LIMIT_S:.0f} s or more memory than a template may use"
    line = f"line {answers[0]['line']}: " if answers[0].get("line") else ""
    return f"{line}{answers[0]['error']}"
