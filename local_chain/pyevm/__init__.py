"""The py-evm engine: an Ethereum chain in one Python process, stored in one SQLite file."""
