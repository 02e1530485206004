"""Proof that an image does what its manifest promises: the ``[[verify]]`` tables, by kind."""
