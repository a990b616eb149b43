"""What a report draws of one fitted model, as arrays; `reports.pictures` draws them."""
