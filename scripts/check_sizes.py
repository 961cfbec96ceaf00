"""Check that files stay under 300 lines and functions under 40, and that no module has a vague name.

Exits 1 and lists every offence with its place. The lines of a function are those of its body after the docstring.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "constants", "common", "misc", "manager", "handler"}
SOURCE_SUFFIXES = {".py", ".sol", ".mjs", ".cjs", ".ts", ".tsx"}


def offences(path: str, text: str) -> Iterator[str]:
    """The offences of one source file, as lines ready to print."""
    lines = text.count("\n")
    if lines > MAX_FILE_LINES:
        yield f"{path}: {lines} lines (at most {MAX_FILE_LINES}); split it by concept"
    if Path(path).stem in VAGUE_NAMES:
        yield f"{path}: the name says nothing; name the one noun the file is about"
    if path.endswith(".py"):
        yield from python_offences(path, ast.parse(text))


def python_offences(path: str, tree: ast.Module) -> Iterator[str]:
    """Functions that are too long or, outside tests, lack types."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        length = function_lines(node)
        if length > MAX_FUNCTION_LINES:
            yield f"{path}:{node.lineno}: {node.name} has {length} lines (at most {MAX_FUNCTION_LINES})"
        if not path.startswith("tests/"):
            yield from untyped(path, node)


def function_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body after the docstring. Nested functions count for their parent too."""
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    return (node.end_lineno or 0) - body[0].lineno + 1 if body else 0


def untyped(path: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """The arguments and return value of a function that have no type."""
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    missing = [arg.arg for arg in arguments if arg.annotation is None and arg.arg not in {"self", "cls"}]
    if missing or node.returns is None:
        what = ", ".join(missing) or "its return value"
        yield f"{path}:{node.lineno}: {node.name} does not type {what}"


def main() -> int:
    """Check all tracked sources. Returns the exit status."""
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.splitlines()
    paths = [path for path in listed if Path(path).suffix in SOURCE_SUFFIXES and Path(path).exists()]
    faults = [line for path in paths for line in offences(path, Path(path).read_text())]
    print("\n".join(faults) if faults else f"sizes: {len(paths)} files are fine")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
