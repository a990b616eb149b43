"""What is kept: cells and their records, the ledger, fitted models, what made them, the rows of results.parquet."""
