"""A private Ethereum chain for development and tests: one interface, two engines (py-evm and anvil)."""
