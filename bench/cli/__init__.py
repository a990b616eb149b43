"""The command line: what a person types, parsed and handed on. `main` is where it begins."""
