"""The KV cache: pages of token positions, their prefix keys, and the tensors they index.

Owned by the engine thread; `PageKeys` alone is built on the event loop and then handed over.
"""
