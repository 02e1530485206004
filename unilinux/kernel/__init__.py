"""The Linux kernel: its source, the patch series on it, and its build."""
