"""What is asked: bench.toml, validated, and the methods, data sets and metrics that it names."""
