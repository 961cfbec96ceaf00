"""Three dedicated models against one node."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.clinic import QUESTIONS, WARM_UP, Department, Figures, ask_all, rows


@pytest.fixture
def asked() -> Iterator[tuple[str, Counter[str]]]:
    """The URL of a server that answers every question, and how often each model was asked."""
    counts: Counter[str] = Counter()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            counts[json.loads(self.rfile.read(int(self.headers["Content-Length"])))["model"]] += 1
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", counts
    server.shutdown()
    server.server_close()


def test_every_department_is_asked_as_often_as_the_others(asked: tuple[str, Counter[str]]) -> None:
    url, counts = asked
    departments = [Department(url, name, "why?") for name in ("a", "b", "c")]

    latency_ms, answers_per_s = ask_all(departments)

    assert set(counts.values()) == {WARM_UP + QUESTIONS // 3 + QUESTIONS}
    assert latency_ms > 0
    assert answers_per_s > 0


def test_the_table_has_both_ways_next_to_each_other() -> None:
    separate, together = Figures(3, 11_800_000, 1_776_000_000, 15.2, 88.6), Figures(1, 4_700_000, 595_000_000, 16.4, 99)

    table = {row["what"]: (row["dedicated"], row["one_node"]) for row in rows(separate, together)}

    assert table["weights"] == ("11.8 MB", "4.7 MB")
    assert table["resident memory"] == ("1,776 MB", "595 MB")
    assert table["three callers at once"] == ("89 answers/s", "99 answers/s")
