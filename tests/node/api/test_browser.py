"""A page of another origin in a real Chromium: it calls the node, reads its headers, and reads a stream."""

import base64
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from node.dev.starter import BASE_NAME
from tests.node.running import NodeThread

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_SILENT = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic")
"""Chromium calls nobody but the page's hosts."""
_PAGE = """<!doctype html><script>
const report = (found) => fetch("/report", {method: "POST", body: JSON.stringify(found)});
const headers = {"Content-Type": "application/json", "Authorization": "Bearer x", "X-Stainless-Lang": "js"};
(async () => {
  const ask = (more) => fetch(NODE + "/v1/completions", {method: "POST", headers: {...headers, ...more.headers},
    body: JSON.stringify({model: MODEL, prompt: "Hi", max_tokens: 4, ...more.body})});
  try {
    const whole = await ask({headers: SIGNED ? {"PAYMENT-SIGNATURE": "x", "OpenLoRA-Request": "x"} : {}});
    const stream = await ask({body: {stream: true}});
    const missing = await ask({body: {model: "nothing"}});
    await report({status: whole.status, id: whole.headers.get("X-Request-Id"), answer: await whole.json(),
      terms: whole.headers.get("PAYMENT-REQUIRED"), streamed: await stream.text(), missing: await missing.json()});
  } catch (error) { await report({error: String(error)}); }
})();
</script>"""


@contextmanager
def page(node_url: str, *, signed: bool) -> Iterator[tuple[str, "Queue[dict[str, Any]]"]]:
    """The URL of the page, which another origin serves, and what the page reports."""
    reports: Queue[dict[str, Any]] = Queue()

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = _PAGE.replace("NODE", json.dumps(node_url)).replace("MODEL", json.dumps(BASE_NAME))
            text = text.replace("SIGNED", json.dumps(signed))
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(text.encode())

        def do_POST(self) -> None:
            reports.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Site) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", reports
        finally:
            server.shutdown()
            serving.join()


def seen_by_a_page(node_url: str, profile: Path, *, signed: bool = False) -> dict[str, Any]:
    """What the page reports after Chromium has opened it."""
    browser = next(filter(None, map(shutil.which, _NAMES)), None)
    if browser is None:
        pytest.fail("Chromium is needed for this test (Debian and Ubuntu: apt-get install chromium).")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", *_SILENT, f"--user-data-dir={profile}"]
    with page(node_url, signed=signed) as (url, reports):
        running = subprocess.Popen([browser, *flags, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return reports.get(timeout=120)
        finally:
            running.kill()
            running.wait()


def test_a_page_of_another_origin_reads_answers_streams_and_errors(node: NodeThread, tmp_path: Path) -> None:
    seen = seen_by_a_page(node.url, tmp_path, signed=True)

    assert "error" not in seen, seen
    assert (seen["status"], seen["answer"]["object"]) == (200, "text_completion")
    assert seen["id"]
    assert seen["streamed"].endswith("data: [DONE]\n\n")
    assert seen["missing"]["error"]["code"] == "model_not_found"


def test_a_page_reads_the_terms_of_a_paid_node(paid_node: NodeThread, tmp_path: Path) -> None:
    seen = seen_by_a_page(paid_node.url, tmp_path)

    assert "error" not in seen, seen
    assert (seen["status"], seen["answer"]["error"]["code"]) == (402, "payment_required")
    assert json.loads(base64.b64decode(seen["terms"]))["accepts"]
