"""The C compiler of this machine. Importing this must not load torch."""

import shutil

COMPILERS = ("gcc", "cc", "clang")


def find_compiler() -> str | None:
    """The path of the first of `COMPILERS` that is installed."""
    return next((found for name in COMPILERS if (found := shutil.which(name))), None)
