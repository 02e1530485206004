# SPDX-License-Identifier: GPL-2.0-only
# What shell scripts do, for busybox's sh: each check is a line "case NAME: pass" or "fail".
set -u
/bin/"$1" mkdir -p "/tmp/$1"
cd "/tmp/$1"
/bin/"$1" --install -s .
PATH=/tmp/$1

check() {
	if [ "$2" = "$3" ]; then
		echo "case $1: pass"
	else
		echo "case $1: fail: $2 instead of $3"
	fi
}

check pipe "$(seq 1 1000 | grep 7 | wc -l)" 271
check long_pipe "$(dd if=/dev/zero bs=64k count=64 2>/dev/null | tr '\0' x | cat | cat | wc -c)" 4194304
check broken_pipe "$(yes | head -n 3 | wc -l)" 3
check here_document "$(cat <<end
$((6 * 7))
end
)" 42
check float "$(awk 'BEGIN { for (i = 0; i < 10000; i++) s += i / 7; printf "%.4f", s }')" 7142142.8571

sum=0
for i in $(seq 1 100); do
	(exit "$((i % 7))")
	sum=$((sum + $?))
done
check forks "$sum" 297

for i in 1 2 3 4 5 6 7 8 9 10; do
	(sleep 0.0"$i"; echo "$i" >"file$i") &
done
wait
check background "$(cat file* | sort -n | tr '\n' ' ')" "1 2 3 4 5 6 7 8 9 10 "

sleep 1000 &
kill -TERM $!
wait $!
check killed "$?" 143
check trapped "$(sh -c 'trap "echo caught" USR1; kill -USR1 $$; echo after' | tr '\n' ' ')" "caught after "
sh -c 'kill -SEGV $$'
check fault "$?" 139
sh -c 'sleep 1000 & kill -STOP $!; kill -CONT $!; kill -KILL $!; wait $!'
check stopped_and_killed "$?" 137

seq 1 20000 >numbers
gzip -c numbers | gunzip -c | cmp - numbers
check gzip "$?" 0
check md5 "$(md5sum <numbers)" "$(seq 1 20000 | md5sum)"
check sort "$(sort -rn numbers | head -n 1)" 20000
check find "$(find . -name 'file*' | wc -l)" 10
echo "cases: done"
