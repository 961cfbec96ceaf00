"""The child process that renders chat templates. It is started by path, speaks JSON lines and imports none of our code.

A template is a stranger's program. Hugging Face's sandbox keeps it from reaching Python objects. This process keeps it
from using the node's time and memory: the system kills the process on an alarm, and bounds its address space.

    in:  {"template", "messages", "names", "limit_s", "limit_chars"}      out: {"text"} or {"error", "line"}
"""

import contextlib
import json
import resource
import signal
import sys
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

_MEMORY_BYTES = 512 << 20
"""The memory that a template may use in addition to the interpreter."""


def render(job: dict[str, Any]) -> dict[str, str | int]:
    """The answer to one job: the rendered text, or why there is none and, for a syntax error, its line."""
    import jinja2
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
    except jinja2.TemplateSyntaxError as error:
        return {"error": f"{type(error).__name__}: {error.message}"[:500], "line": error.lineno}
    except Exception as error:  # any exception of a stranger's program is this job's answer
        return {"error": f"{type(error).__name__}: {error}"[:500]}
    text: str = rendered[0][0]
    if len(text) > int(str(job["limit_chars"])):
        return {"error": f"it produced {len(text)} characters"}
    return {"text": text}


def import_renderer() -> None:
    """Imports the module of transformers that renders templates, without running the `__init__` of its packages.

    Those look through every model that transformers knows, which takes four times as long as all the rest of the start.
    """
    for name in ("transformers", "transformers.utils"):
        spec = find_spec(name)
        assert spec is not None, "the node does not start without transformers"
        sys.modules[name] = module_from_spec(spec)
    from transformers.utils import chat_template_utils  # noqa: F401  # imported while the two packages are empty


def main() -> None:
    """Prints "ready", then answers one job for each line of standard input until it is closed."""
    import_renderer()  # before the first job and before the memory is bounded
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C goes to the node, which ends this process by closing its input
    with contextlib.suppress(ValueError, OSError):  # on a system without these limits the alarm remains
        used_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used_bytes + _MEMORY_BYTES,) * 2)
    print("ready", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        signal.setitimer(
            signal.ITIMER_REAL, float(job["limit_s"]) + 1
        )  # without a handler, the alarm ends this process
        answer = json.dumps(render(job))
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(answer, flush=True)


if __name__ == "__main__":
    main()
