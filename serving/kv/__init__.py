"""The key-value cache: pages of token positions, and the tensors they index."""
