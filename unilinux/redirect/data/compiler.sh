#!/bin/sh
# The host's gcc, compiling for and linking with the musl beside this script.
# UNILINUX_BUILD_FOLDER, when set, is the folder whose name must not show in the output.
UNILINUX_MUSL=${0%/*}
case $UNILINUX_MUSL in
/*) UNILINUX_MUSL=${UNILINUX_MUSL%/*} ;;
*) UNILINUX_MUSL=$UNILINUX_MUSL/.. ;;
esac
export UNILINUX_MUSL

# What distributions switch on by default differs; here it is off for all, and -f… options of the caller win.
compiler() {
	UNILINUX_LIBC=$UNILINUX_MUSL/$1
	shift
	export UNILINUX_LIBC
	gcc "-specs=$UNILINUX_MUSL/lib/musl.specs" \
		-fno-pie -no-pie -fno-stack-protector -fcf-protection=none -U_FORTIFY_SOURCE \
		"-ffile-prefix-map=$UNILINUX_MUSL=/musl" \
		${UNILINUX_BUILD_FOLDER:+"-ffile-prefix-map=$UNILINUX_BUILD_FOLDER=."} \
		"$@"
}

output=a.out
links=yes
before=
for word; do
	[ "$before" = -o ] && output=$word
	case $word in
	-c | -S | -E | -M | -MM | -r | -shared | -fsyntax-only | -print-* | -dump* | --version | --help) links= ;;
	-o?*) output=${word#-o} ;;
	esac
	before=$word
done

compiler lib "$@" || exit
# A program is linked twice: with system calls by trap, which runs on this host as well, as
# configure scripts need it, and beside it with system calls by UniLinux's gate, which doesn't.
if [ "$links" ] && [ -e "$output" ] && [ -e "$UNILINUX_MUSL/lib/gate/libc.a" ]; then
	compiler lib/gate "$@" -o "$output.gate"
fi
