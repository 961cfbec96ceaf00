"""A JSON-RPC endpoint in front of a real chain that is overloaded, lags behind, leaves out or lies, as a test asks."""

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Forward = Callable[..., Any]
"""forward(method, *params): the chain's own answer, a dictionary with `result` or `error`."""
Fault = Callable[[str, list[Any], Forward], Any]
"""fault(method, params, forward): an answer, an HTTP status, SILENCE; None if it does not concern the call."""
SILENCE = "silence"
SILENT_S = 5.0


class FaultyRpc:
    """Forwards every call to `upstream`, except those that the present fault answers itself."""

    def __init__(self, upstream: str) -> None:
        self._upstream, self._fault = upstream, None
        self.asked: list[str] = []
        rpc = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                reply = rpc.answer(request["method"], request["params"])
                if reply == SILENCE:
                    time.sleep(SILENT_S)
                    self.close_connection = True
                    return
                status, body = (reply, b"") if isinstance(reply, int) else (200, json.dumps(reply).encode())
                self.send_response(status)
                if status != 200:
                    self.send_header("Retry-After", "1")
                self.send_header("Content-Length", str(len(body)))
                with suppress(ConnectionError):  # the client may have given up
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *words: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def suffering(self, fault: Fault) -> Iterator[None]:
        """The endpoint has this fault while the block runs."""
        self._fault = fault
        try:
            yield
        finally:
            self._fault = None

    def answer(self, method: str, params: list[Any]) -> Any:
        self.asked.append(method)
        fault = self._fault
        reply = None if fault is None else fault(method, params, self.forward)
        if reply is None:
            reply = self.forward(method, *params)
        return reply if isinstance(reply, int | str) else {"jsonrpc": "2.0", "id": 1, **reply}

    def forward(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self._upstream, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            document = json.load(answer)
        return {name: document[name] for name in ("result", "error") if name in document}


def silent(*methods: str) -> Fault:
    """Does not answer these methods; without any, answers nothing."""
    return lambda method, params, forward: SILENCE if not methods or method in methods else None


def busy(*methods: str) -> Fault:
    """Answers 429 to these methods; without any, to all."""
    return lambda method, params, forward: 429 if not methods or method in methods else None


def without_logs(method: str, params: list[Any], forward: Forward) -> Any:
    """Says that there are no events."""
    return {"result": []} if method == "eth_getLogs" else None


def ahead_by(count: int) -> Fault:
    """Counts too many nonces (or, if negative, too few)."""

    def fault(method: str, params: list[Any], forward: Forward) -> Any:
        if method != "eth_getTransactionCount":
            return None
        return {"result": hex(max(0, int(forward(method, *params)["result"], 16) + count))}

    return fault


def from_the_future(method: str, params: list[Any], forward: Forward) -> Any:
    """Shows a newest block that does not exist, 1,000 blocks and ten years ahead."""
    if method != "eth_getBlockByNumber" or params[0] != "latest":
        return None
    block = forward(method, *params)["result"]
    number, dated = int(block["number"], 16) + 1_000, int(block["timestamp"], 16) + 315_360_000
    return {"result": block | {"number": hex(number), "timestamp": hex(dated), "hash": "0x" + "ab" * 32}}


def dear(wei: int) -> Fault:
    """Shows a base fee of `wei`, and a tip as high."""

    def fault(method: str, params: list[Any], forward: Forward) -> Any:
        if method == "eth_maxPriorityFeePerGas":
            return {"result": hex(wei)}
        if method != "eth_getBlockByNumber":
            return None
        block = forward(method, *params)["result"]
        return {"result": block and block | {"baseFeePerGas": hex(wei)}}

    return fault


def lagging(blocks: int) -> Fault:
    """Answers as a node that is `blocks` behind the chain, but hands transactions on."""

    def fault(method: str, params: list[Any], forward: Forward) -> Any:
        head = max(0, int(forward("eth_blockNumber")["result"], 16) - blocks)
        if method == "eth_blockNumber":
            return {"result": hex(head)}
        if method == "eth_getBlockByNumber":
            number = head if params[0] == "latest" else int(params[0], 16)
            return {"result": None} if number > head else forward(method, hex(number), params[1])
        if method in ("eth_getTransactionReceipt", "eth_getTransactionByHash"):
            found = forward(method, *params)["result"]
            mined = found and found["blockNumber"]
            return {"result": None if mined and int(mined, 16) > head else found}
        if method in ("eth_getTransactionCount", "eth_call", "eth_getBalance", "eth_getCode"):
            return forward(method, params[0], hex(head) if params[1] == "latest" else params[1])
        if method == "eth_getLogs":
            return _logs_up_to(head, params[0], forward)
        return None

    return fault


def _logs_up_to(head: int, wanted: dict[str, Any], forward: Forward) -> Any:
    if "blockHash" in wanted:
        block = forward("eth_getBlockByHash", wanted["blockHash"], False)["result"]
        if block is None or int(block["number"], 16) > head:
            return {"error": {"code": -32000, "message": "unknown block"}}
    found = forward("eth_getLogs", wanted)
    return {"result": [log for log in found["result"] if int(log["blockNumber"], 16) <= head]}
