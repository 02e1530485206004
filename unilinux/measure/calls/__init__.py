"""What system calls and requests cost, by the way into the kernel."""
