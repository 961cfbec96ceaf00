"""The child process that renders chat templates. Started by path, talks JSON lines, imports nothing of ours.

A template is a stranger's program. Hugging Face's sandbox keeps it from reaching Python; this process keeps it from
taking the node's time and memory: the system kills it when an alarm rings or its address space is full.

    in:  {"template", "messages", "names", "limit_s", "limit_chars"}      out: {"text"} or {"error"}
"""

import contextlib
import json
import resource
import signal
import sys
from pathlib import Path
from typing import Any

_MEMORY_BYTES = 512 << 20
"""What a template may use on top of the interpreter."""


def render(job: dict[str, Any]) -> dict[str, str]:
    from transformers.utils.chat_template_utils import render_jinja_template

    try:
        rendered: Any = render_jinja_template(
            conversations=[job["messages"]],
            chat_template=job["template"],
            add_generation_prompt=True,
            **job["names"],
        )
    except MemoryError:
        return {"error": "it needs too much memory"}
    except Exception as error:  # whatever a stranger's program raises is this job's answer
        return {"error": f"{type(error).__name__}: {error}"[:500]}
    text: str = rendered[0][0]
    if len(text) > int(str(job["limit_chars"])):
        return {"error": f"it produced {len(text)} characters"}
    return {"text": text}


def main() -> None:
    from transformers.utils import chat_template_utils  # noqa: F401  (seconds of imports, before the first job)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the node, which ends this process by closing its input
    with contextlib.suppress(ValueError, OSError):  # a system without these limits still has the alarm
        used_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used_bytes + _MEMORY_BYTES,) * 2)
    print("ready", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, float(job["limit_s"]) + 1)  # no handler: the system ends this process
        answer = json.dumps(render(job))
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(answer, flush=True)


if __name__ == "__main__":
    main()
