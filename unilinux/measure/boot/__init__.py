"""Boots: what is counted and timed of them, stage by stage."""
