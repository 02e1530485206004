#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The linker that the tool chain's gcc calls: the host's ld, which links programs at fixed addresses.
#
# A program's system calls are made by its C library: by trap, which runs on this host as well, as configure scripts
# need it, or by UniLinux's gate. Where UNILINUX_LINKS names a folder, each program is linked for the gate, too,
# and kept there: under the SHA-256 of the program that was asked for, by which it is found again even if that is
# copied, and under that of its path, in case it is changed. Nothing is written beside the program itself.
# What configure scripts try out is left out, unless UNILINUX_PROGRAMS, as in /NAME/NAME/, names it.

# gcc that was given a file of options gives one to its linker: one to a line, with backslashes.
for word; do
	shift
	if [ "${word#@}" != "$word" ] && [ -f "${word#@}" ]; then
		# shellcheck disable=SC2162 # backslashes are meant
		while IFS= read option; do
			set -- "$@" "$option"
		done <"${word#@}"
	else
		set -- "$@" "$word"
	fi
done

output=a.out
program=yes
before=
for word; do
	shift
	case $before in
	-o | --output) output=$word ;;
	esac
	before=$word
	case $word in
	# Accepted without effect: the C library isn't position-independent.
	-pie | --pie | --pic-executable | --no-dynamic-linker) continue ;;
	-shared | --shared | -Bshareable | -r | -i | -Ur | --relocatable) program= ;;
	-o?*) output=${word#-o} ;;
	--output=*) output=${word#--output=} ;;
	esac
	set -- "$@" "$word"
done
name=${output##*/}

digest() { sha256sum | cut -d ' ' -f 1; }

wanted() {
	[ "$program" ] && [ "${UNILINUX_LINKS-}" ] && [ "${UNILINUX_ENTRY-}" != gate ] &&
		[ -e "$UNILINUX_MUSL/lib/gate/libc.a" ] || return
	[ -f "$output" ] || [ ! -e "$output" ] || return # such as /dev/null
	case ${UNILINUX_PROGRAMS-} in
	*"/$name/"*) return ;;
	esac
	case $name in
	conftest* | autotest* | a.out) return 1 ;;
	esac
}

if ! wanted; then
	exec ld "$@"
fi
# The gate's first: other files that the linker is asked for, such as a map, are then those of the program itself.
beside=$UNILINUX_LINKS/$$
said=$(ld "-L$UNILINUX_MUSL/lib/gate" "$@" -o "$beside" 2>&1) || rm -f "$beside"
ld "$@" || {
	status=$?
	rm -f "$beside"
	exit $status
}
if [ -e "$beside" ]; then
	place=$(digest <"$output") &&
		mv "$beside" "$UNILINUX_LINKS/$place" &&
		ln -sf "$place" "$UNILINUX_LINKS/$(realpath "$output" | digest)"
else
	printf '%s\n' "$output could not be linked for the gate:" "$said" >&2
fi
