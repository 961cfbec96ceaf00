"""From signed receipts to claimed earnings: batches, transactions that survive crashes, and earnings."""
