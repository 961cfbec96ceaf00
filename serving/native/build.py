"""The kernels compiled for this processor, once, and kept for the next start."""

import hashlib
import logging
import os
import platform
import subprocess
import tempfile
from pathlib import Path

import torch

from serving.native.compiler import COMPILERS, find_compiler

log = logging.getLogger("serving.native")

_KERNELS = Path(__file__).parent / "kernels"
_OPTIONS = ("-O2", "-std=gnu11", "-fPIC", "-shared", "-fno-math-errno")
_FOR_THIS_PROCESSOR = "-mcpu=native" if platform.machine() in ("aarch64", "arm64") else "-march=native"
_TIMEOUT_S = 120
_ELEMENT = {torch.bfloat16: "-DELEMENT_BF16", torch.float32: "-DELEMENT_FLOAT"}


class NotBuilt(Exception):
    """The kernels could not be compiled here; the message says why."""


def built(dtype: torch.dtype, home: Path) -> Path:
    """The shared library for elements of `dtype`, compiled into `home` unless it is there. Blocking. Raises NotBuilt.

    Its name is a hash of all that decides what the compiler makes of it: sources, options, compiler and processor.
    """
    if dtype not in _ELEMENT:
        raise NotBuilt(f"there are no kernels for {dtype}")
    compiler = find_compiler()
    if compiler is None:
        raise NotBuilt(f"none of {', '.join(COMPILERS)} was found. Install a C compiler (Debian: apt-get install gcc)")
    command = [compiler, *_OPTIONS, _FOR_THIS_PROCESSOR, _ELEMENT[dtype]]
    library = home / f"{_fingerprint(command)}.so"
    if not library.exists():
        _make_private(home)
        _compile(command, library)
    return library


def _fingerprint(command: list[str]) -> str:
    digest = hashlib.sha256()
    for source in sorted(_KERNELS.iterdir()):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    version = subprocess.run([command[0], "--version"], capture_output=True, check=False, timeout=_TIMEOUT_S)
    for part in (*command, version.stdout.decode(errors="replace"), _processor()):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:32]


def _processor() -> str:
    """What this processor can do: a library compiled on another one may hold instructions it lacks."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return "\n".join(sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))}))


def _make_private(home: Path) -> None:
    """What is loaded as code must be nobody else's to write. Raises NotBuilt."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = home.stat()
    except OSError as error:
        raise NotBuilt(f"{home} cannot be used: {error}") from error
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise NotBuilt(f"others may write to {home}. Make it yours alone (chmod 700) or remove it")


def _compile(command: list[str], library: Path) -> None:
    """Compiles beside the final name and renames, so that a library is there whole or not at all. Raises NotBuilt."""
    source = str(_KERNELS / "decoder.c")
    with tempfile.TemporaryDirectory(prefix="build-", dir=library.parent) as folder:
        made = Path(folder) / library.name
        complaint = ""
        for threads in (("-fopenmp",), ()):  # a compiler without OpenMP makes kernels for one thread
            run = [*command, *threads, source, "-o", str(made), "-lm"]
            try:
                done = subprocess.run(run, capture_output=True, check=False, timeout=_TIMEOUT_S)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise NotBuilt(f"{command[0]} failed: {error}") from error
            if done.returncode == 0:
                made.replace(library)
                log.info("kernels_compiled compiler=%s openmp=%s", command[0], bool(threads))
                return
            complaint = done.stderr.decode(errors="replace").strip()
    raise NotBuilt(f"{command[0]} refuses the kernels: {complaint[-400:]}")
