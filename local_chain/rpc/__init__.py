"""Ethereum JSON-RPC over the py-evm engine: parameters in, documents out, HTTP around both."""
