"""Tables, figures and markdown from the ledger's frame."""
