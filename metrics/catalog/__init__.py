"""The metrics by name, each a description around the plain functions of the folder above."""
