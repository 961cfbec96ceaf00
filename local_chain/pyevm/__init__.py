"""The py-evm engine: an Ethereum chain in one Python process, kept in one SQLite file."""
