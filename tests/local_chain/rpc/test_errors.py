"""JSON-RPC errors as the `error` member of a response."""

from local_chain.rpc.errors import INVALID_PARAMS, SERVER_ERROR, InvalidParams, RpcError


def test_an_error_without_data_has_code_and_message_only() -> None:
    assert RpcError(SERVER_ERROR, "no").to_json() == {"code": -32000, "message": "no"}


def test_an_error_with_data_carries_it() -> None:
    assert RpcError(3, "execution reverted", "0x12").to_json() == {
        "code": 3,
        "message": "execution reverted",
        "data": "0x12",
    }


def test_invalid_parameters_have_their_own_code() -> None:
    assert InvalidParams("slot: missing").to_json() == {"code": INVALID_PARAMS, "message": "slot: missing"}
