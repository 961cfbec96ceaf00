"""Who earned what: pure functions of usage, receipts and Datanets, without HTTP, database or chain client."""
