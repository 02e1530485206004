"""Boots, counted and timed stage by stage."""
