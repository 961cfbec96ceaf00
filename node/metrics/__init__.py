"""What Prometheus scrapes from a node: requests, the engine, adapters, tiers and money."""
