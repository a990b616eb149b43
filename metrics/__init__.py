"""Scores of a fitted method, and the geometry they stand on."""
