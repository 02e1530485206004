# SPDX-License-Identifier: GPL-2.0-only
# A program in Go that works with many goroutines.
found=$(/bin/busybox-static seq 1 20000 | /bin/fzf --filter 77 | /bin/busybox-static wc -l)
if [ "$found" = 1046 ]; then
	echo "case go: pass"
else
	echo "case go: fail: $found"
fi
