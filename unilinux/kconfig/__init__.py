"""Kconfig: what is wished for, by whom, and the configuration that comes of it."""
