"""Layers with a leading axis of S models, and the plain modules that one of them becomes."""
