"""Finds the smallest kernel for an application: take something away, build, boot, verify, decide."""
