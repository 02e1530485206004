"""What system calls and requests cost, depending on the way into the kernel."""
