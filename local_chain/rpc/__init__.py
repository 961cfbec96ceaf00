"""Ethereum JSON-RPC for the py-evm engine: parsing of parameters, methods, JSON documents, and the HTTP server."""
