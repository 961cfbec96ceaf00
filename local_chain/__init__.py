"""A private Ethereum chain for development and tests: one `ChainBackend`, two engines (py-evm, anvil)."""
