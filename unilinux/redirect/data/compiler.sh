#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The host's gcc, compiling for and linking with the musl beside this script.
# UNILINUX_BUILD_FOLDER, when set, is the folder whose name must not show in the output.
# UNILINUX_ENTRY=gate links programs whose system calls go through UniLinux's gate. They don't run on this host.
UNILINUX_MUSL=${0%/*}
case $UNILINUX_MUSL in
/*) UNILINUX_MUSL=${UNILINUX_MUSL%/*} ;;
*) UNILINUX_MUSL=$UNILINUX_MUSL/.. ;;
esac
UNILINUX_LIBC=$UNILINUX_MUSL/lib
[ "${UNILINUX_ENTRY-}" != gate ] || UNILINUX_LIBC=$UNILINUX_MUSL/lib/gate
export UNILINUX_MUSL UNILINUX_LIBC

# What distributions switch on by default differs; here it is off for all, and -f… options of the caller win.
# In libexec is the linker that gcc calls.
exec gcc "-specs=$UNILINUX_MUSL/lib/musl.specs" "-B$UNILINUX_MUSL/libexec/" \
	-fno-pie -no-pie -fno-stack-protector -fcf-protection=none -U_FORTIFY_SOURCE \
	"-ffile-prefix-map=$UNILINUX_MUSL=/musl" \
	${UNILINUX_BUILD_FOLDER:+"-ffile-prefix-map=$UNILINUX_BUILD_FOLDER=."} \
	"$@"
