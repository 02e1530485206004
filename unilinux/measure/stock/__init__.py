"""Kernels as others ship them, measured as ours are."""
