"""Renders chat templates in a child process, which can be killed."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from serving.errors import ChatTemplateFailed, NotReady
from serving.types import ChatMessage

LIMIT_S = 2.0
LIMIT_CHARS = 4_000_000
_START_LIMIT_S = 60.0
WORKER = Path(__file__).with_name("template_worker.py")
"""The program of the child process."""


class TemplateRenderer:
    """One child process that renders one template at a time. A template that takes too long costs only the child."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None
        self._starting: asyncio.Future[None] | None = None

    def start_soon(self) -> None:
        """Starts the child in the background, before it is first used."""
        self._starting = asyncio.ensure_future(self._start())

    async def render(self, template: str, messages: Sequence[ChatMessage], names: Mapping[str, str]) -> str:
        """The prompt that `template` makes of `messages`, with a generation prompt.

        names: further variables of the template, such as bos_token. Raises ChatTemplateFailed, NotReady.
        """
        job = {
            "template": template,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "names": dict(names),
            "limit_s": LIMIT_S,
            "limit_chars": LIMIT_CHARS,
        }
        async with self._lock:
            try:
                child = await self._ready_child()
            except OSError as error:
                reason = error.strerror or str(error)
                raise NotReady(f"The process that renders chat templates does not start now: {reason}.") from error
            try:
                answer = json.loads(await asyncio.wait_for(self._ask(child, json.dumps(job)), LIMIT_S))
            except TimeoutError:
                await self._end()
                raise ChatTemplateFailed(f"The model's chat template took longer than {LIMIT_S:.0f} s.") from None
            except (ValueError, OSError):
                await self._end()
                raise ChatTemplateFailed("The model's chat template broke the process that renders it.") from None
            except asyncio.CancelledError:
                await self._end()  # the next job would read this job's answer
                raise
        if "error" in answer:
            raise ChatTemplateFailed(f"The model's chat template refused these messages: {answer['error']}")
        return str(answer["text"])

    async def close(self) -> None:
        """Ends the child."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        async with self._lock:
            await self._end()

    async def _start(self) -> None:
        async with self._lock:
            with suppress(ChatTemplateFailed, OSError, TimeoutError):  # the first render tries again and raises
                await self._ready_child()

    async def _ready_child(self) -> asyncio.subprocess.Process:
        if self._child is None or self._child.returncode is not None:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                str(WORKER),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=16 * LIMIT_CHARS,
            )
            try:
                greeting = await asyncio.wait_for(self._read_line(self._child), _START_LIMIT_S)
            except BaseException:
                await self._end()
                raise
            if greeting.strip() != b"ready":
                await self._end()
                raise ChatTemplateFailed("The process that renders chat templates does not start.")
        return self._child

    async def _ask(self, child: asyncio.subprocess.Process, line: str) -> bytes:
        assert child.stdin is not None
        child.stdin.write(line.encode() + b"\n")
        await child.stdin.drain()
        return await self._read_line(child)

    @staticmethod
    async def _read_line(child: asyncio.subprocess.Process) -> bytes:
        assert child.stdout is not None
        return await child.stdout.readline()

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
