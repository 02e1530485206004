"""Kernels of distributions, measured in the same way as ours."""
