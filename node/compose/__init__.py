"""Building the world: the serving part, and around it either nothing (free) or chain, database and money (paid)."""
