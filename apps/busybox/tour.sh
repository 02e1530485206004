# SPDX-License-Identifier: GPL-2.0-only
# What a shell does: pipes, files, processes in the background, arithmetic.
set -eu
bb=/bin/busybox

words=$(echo one two three | $bb tr ' ' '\n' | $bb sort | $bb wc -l)
$bb sleep 1 & first=$!
$bb sleep 1 & second=$!
echo "$words" >/tmp/words
sum=0 n=1
while [ $n -le 100 ]; do sum=$((sum + n)) n=$((n + 1)); done
wait $first && wait $second
[ "$($bb cat /tmp/words)" = 3 ]
[ "$($bb cat /proc/sys/kernel/hostname)" = busybox ]
echo "tour: $words words, 2 processes, sum $sum"
