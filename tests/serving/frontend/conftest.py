"""The adapter stores of the tests of adapters, for the tests of what is built on them."""

from tests.serving.adapters.conftest import open_store, srv

__all__ = ["open_store", "srv"]
