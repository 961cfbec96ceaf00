"""Adapters from their source to a mapped blob: resolve, fetch, verify, parse the config, ingest, store.

This code runs on the store's pool of threads and touches only files. It knows nothing of the engine, and only
`sources/` talks to hubs, object stores and web servers.
"""
