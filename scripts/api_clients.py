"""Checks the OpenAPI document of a running node with other people's tools: python -m scripts.api_clients URL

It validates the document, generates a Python and a TypeScript client and compiles both, then lets schemathesis try the
operations. The tools are installed into a temporary folder: some of them need older libraries than the node does.
Needs Node.js 20.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

_PYTHON = ("openapi-python-client==0.29.1", "openapi-spec-validator==0.9.0", "schemathesis==4.32.5")
_NPM = ("openapi-typescript@7.13.0", "typescript@7.0.2")


def main(url: str) -> int:
    """Runs every check against the node at `url`; the exit code of the first that fails, else 0."""
    document = f"{url.rstrip('/')}/openapi.json"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv.create(folder / "venv", with_pip=True)
        tools, npm = folder / "venv" / "bin", folder / "node_modules" / ".bin"
        steps = (
            [tools / "pip", "install", "--quiet", *_PYTHON],
            ["npm", "install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", "--silent", *_NPM],
            [tools / "openapi-python-client", "generate", "--url", document, "--output-path", folder / "client"],
            [tools / "python", "-m", "compileall", "-q", folder / "client"],
            [npm / "openapi-typescript", document, "--output", folder / "client.ts"],
            [npm / "tsc", "--noEmit", "--strict", folder / "client.ts"],
            [tools / "schemathesis", "run", document, "--max-examples", "10", "--include-method", "GET"],
        )
        for step in steps:
            words = [str(word) for word in step]
            print("+", " ".join(words), flush=True)
            code = subprocess.run(words, check=False).returncode  # the words above and the caller's URL
            if code:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"))
