"""The closed loop that finds the smallest kernel for an application: take away, build, boot, verify."""
