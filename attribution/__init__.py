"""Who earned what: pure functions of usage, receipts and Datanets. Knows no HTTP, database or chain client."""
