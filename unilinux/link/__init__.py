"""Putting an application and its files into the kernel image."""
