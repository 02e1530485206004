# SPDX-License-Identifier: GPL-2.0-only
"""Headers of a kernel tree, as far as decoding system calls needs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from unilinux.observe import constants

HEADERS = {
    "include/linux/socket.h": "#define AF_UNIX\t\t1\t/* Unix domain sockets */\n#define AF_INET 2\n"
    "#define SOL_TCP\t\t6\n",
    "include/linux/net.h": "enum sock_type {\n\tSOCK_STREAM\t= 1,\n\tSOCK_DGRAM\t= 2,\n};\n"
    "#define SOCK_TYPE_MASK 0xf\n",
    "include/uapi/linux/in.h": "  IPPROTO_TCP = 6,\t\t/* Transmission Control Protocol */\n",
    "include/uapi/asm-generic/socket.h": "#define SOL_SOCKET\t1\n#define SO_REUSEADDR\t2\n",
    "include/uapi/linux/tcp.h": "#define TCP_NODELAY\t\t1\n",
    "include/uapi/asm-generic/ioctls.h": "#define FIONBIO 0x5421\n#define TIOCGPTN _IOR('T', 0x30, unsigned int)\n"
    "#define TCGETS2 _IOR('T', 0x2A, struct termios2)\n#define TIOCVHANGUP _IO('T', 0x37)\n",
    "include/uapi/asm-generic/fcntl.h": "#define F_SETLK\t\t6\n#define F_LINUX_SPECIFIC_BASE 1024\n#define F_RDLCK 0\n"
    "#define O_CREAT 00000100\n",
    "include/uapi/linux/fcntl.h": "#define F_DUPFD_CLOEXEC\t(F_LINUX_SPECIFIC_BASE + 6)\n",
    "include/uapi/linux/time.h": "#define CLOCK_REALTIME 0\n#define CLOCK_MONOTONIC 1\n",
    "include/uapi/linux/mman.h": "#define MAP_SHARED 0x01\n#define MAP_PRIVATE 0x02\n",
    "include/uapi/asm-generic/mman-common.h": "#define PROT_READ 0x1\n#define PROT_WRITE 0x2\n#define PROT_NONE 0x0\n"
    "#define MAP_ANONYMOUS 0x20\n#define MAP_TYPE 0x0f\n",
    "include/uapi/linux/sched.h": "#define CLONE_VM 0x00000100\n#define CLONE_THREAD 0x00010000\n",
    "arch/x86/include/uapi/asm/signal.h": "#define SIGCHLD\t\t17\n#define SIGIO 29\n#define SIGPOLL\t\tSIGIO\n",
    "include/uapi/linux/futex.h": "#define FUTEX_WAIT 0\n#define FUTEX_WAKE 1\n#define FUTEX_PRIVATE_FLAG 128\n",
    "include/uapi/linux/membarrier.h": "\tMEMBARRIER_CMD_GLOBAL\t\t\t= (1 << 0),\n",
    "include/uapi/linux/mount.h": "#define MS_NOSUID\t 2\n",
    "include/uapi/asm-generic/errno-base.h": "#define\tENOENT\t\t 2\n",
    "include/uapi/asm-generic/errno.h": "#define\tENOSYS\t\t38\t/* Invalid system call number */\n",
    "arch/x86/entry/syscalls/syscall_64.tbl": "# number abi name entry\n1\tcommon\twrite\t\tsys_write\n"
    "4\tcommon\tstat\t\tsys_newstat\n41\tcommon\tsocket\t\tsys_socket\n59\t64\texecve\t\tsys_execve\n"
    "290\tcommon\teventfd2\tsys_eventfd2\n512\tx32\trt_sigaction\tcompat_sys_rt_sigaction\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The headers that are read; those that don't matter here are empty."""
    root = tmp_path / "linux"
    for name in {file for kind in constants._KINDS.values() for file in kind.files} | HEADERS.keys():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(HEADERS.get(name, ""))
    return root
