"""The chain as the node sees it: a client with time limits, typed contracts, and a follower of events."""
