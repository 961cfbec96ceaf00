"""How the starter pack is made: its documents, its base model, its adapters and its quality table."""
