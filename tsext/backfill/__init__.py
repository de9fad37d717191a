"""Chunk-wise work: a ledger of tasks in the database, and workers anywhere that share them."""
