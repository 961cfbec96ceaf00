"""Where adapters and base models come from: folders, hubs, object stores and web servers.

Only this package imports the clients of hubs and object stores, and only when a source first needs them.
"""
