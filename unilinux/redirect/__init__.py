"""From system call to function call: the musl tool chain that applications are built with."""
