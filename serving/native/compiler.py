"""Finds the C compiler of this machine. Importing this module must not load torch."""

import shutil

COMPILERS = ("gcc", "cc", "clang")


def find_compiler() -> str | None:
    """The path of the first of `COMPILERS` that is installed."""
    return next((path for name in COMPILERS if (path := shutil.which(name))), None)
