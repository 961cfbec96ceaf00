"""Access to the chain: a client with time limits, typed contracts, and a follower of events."""
