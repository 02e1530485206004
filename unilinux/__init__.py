"""UniLinux: one application and a Linux kernel, made into one bootable image.

The packages are named in the order in which an application passes through
them; see docs/architecture.md.
"""
