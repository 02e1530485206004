"""Machines put together from blocks: each is QEMU arguments, Kconfig wishes and a kernel command line."""
