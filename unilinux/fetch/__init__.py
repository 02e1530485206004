"""Sources from Debian's archives, by apt's own client, without root and verified."""
