"""Compiles the kernels for this processor and keeps the library for the next start."""

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

    The file name is a hash of everything that determines the result: sources, options, compiler and processor.
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
    for part in (*command, version.stdout.decode(errors="replace"), processor_features()):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:32]


def processor_features() -> str:
    """The processor's features: a library compiled on another machine may contain instructions that this one lacks."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return "\n".join(sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))}))


def _make_private(home: Path) -> None:
    """Makes `home` writable for this user only, because its files are loaded as code. Raises NotBuilt if it is not."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = home.stat()
    except OSError as error:
        raise NotBuilt(f"{home} cannot be used: {error}") from error
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise NotBuilt(f"other users may write to {home}. Restrict it to yourself (chmod 700) or remove it")


def _compile(command: list[str], library: Path) -> None:
    """Compiles to a temporary name and renames, so that the library is complete or absent. Raises NotBuilt."""
    source = str(_KERNELS / "decoder.c")
    with tempfile.TemporaryDirectory(prefix="build-", dir=library.parent) as folder:
        temporary = Path(folder) / library.name
        message = ""
        for threads in (("-fopenmp",), ()):  # without OpenMP the kernels run on one thread
            run = [*command, *threads, source, "-o", str(temporary), "-lm"]
            try:
                finished = subprocess.run(run, capture_output=True, check=False, timeout=_TIMEOUT_S)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise NotBuilt(f"{command[0]} failed: {error}") from error
            if finished.returncode == 0:
                temporary.replace(library)
                log.info("kernels_compiled compiler=%s openmp=%s", command[0], bool(threads))
                return
            message = finished.stderr.decode(errors="replace").strip()
    raise NotBuilt(f"{command[0]} cannot compile the kernels: {message[-400:]}")
