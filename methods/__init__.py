"""Estimators with fit, encode and decode."""
