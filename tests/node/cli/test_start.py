"""`start` on a machine that lacks packages."""

import subprocess
import sys
from pathlib import Path


def test_a_node_without_its_serving_packages_says_what_to_install(tmp_path: Path) -> None:
    without_torch = (
        "import sys; sys.modules['torch'] = None; "
        f"sys.argv = ['openlora', '--home', {str(tmp_path)!r}, 'start', '--free']; "
        "from node.cli.app import main; main()"
    )

    done = subprocess.run([sys.executable, "-c", without_torch], capture_output=True, text=True, check=False)

    assert done.returncode == 3
    assert "missing: torch" in done.stderr
    assert '"openlora-node[serve,dev-chain]"' in done.stderr
