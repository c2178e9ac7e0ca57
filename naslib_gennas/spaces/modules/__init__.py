"""Anybody's networks as a search space."""
