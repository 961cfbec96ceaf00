"""Adapters from their source to a mapped blob: resolve, fetch, verify, parse the config, ingest, keep.

Nothing here knows the engine, and only `sources/` talks to hubs and other stores.
"""
