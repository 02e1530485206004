# SPDX-License-Identifier: GPL-2.0-only
"""System calls in which a thread may be cancelled stay, and only where threads are cancelled."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.unit.redirect.rewrite.conftest import Build
from unilinux.elf.file import read_elf
from unilinux.redirect.rewrite.cancellation import is_alone, may_cancel
from unilinux.redirect.rewrite.rewriter import rewrite

# As glibc 2.36 has it in read(), with a system call before that isn't cancelled, and in pause().
READ = """
    f_read:
        mov $0, %eax
        syscall
        sub $0x28, %rsp
        call f_enable
        mov %eax, %r8d
        mov 8(%rsp), %edi
        mov $0, %eax
        syscall
        cmp $-4096, %rax
        ja 1f
    2:  mov %r8d, %edi
        mov %rax, 8(%rsp)
        call f_disable
        add $0x28, %rsp
        ret
    1:  mov $-1, %rax
        jmp 2b
    .size f_read, .-f_read
    f_pause:
        call f_enable
        mov %eax, %edi
        mov $34, %eax
        syscall
        mov %eax, 12(%rsp)
        call f_disable
        ret
    .size f_pause, .-f_pause
    f_other:
        call f_enable
        mov %rax, %rbx
        mov %rax, %rdi
        mov $3, %eax
        syscall
        mov %rbx, %rdi
        call f_disable
        ret
    .size f_other, .-f_other
    f_enable: ret
    f_disable: ret
    _start: jmp f_read
"""
# musl 1.2.3, src/thread/x86_64/syscall_cp.s
BETWEEN_LABELS = """
    f_syscall_cp:
    cp_begin:
        mov (%rdi), %eax
        test %eax, %eax
        jnz cp_cancel
        mov %rdi, %r11
        mov %rsi, %rax
        mov %rdx, %rdi
        mov %rcx, %rsi
        mov %r8, %rdx
        mov %r9, %r10
        mov 8(%rsp), %r8
        mov 16(%rsp), %r9
        mov %r11, 8(%rsp)
        syscall
    cp_end:
        ret
    cp_cancel:
        ud2
    .size f_syscall_cp, .-f_syscall_cp
    _start:
        lea cp_begin(%rip), %rax
        lea cp_end(%rip), %rdx
        ret
"""
SOURCE = "#include <pthread.h>\nint main(void) { return CALL(pthread_self()); }\n"


def test_calls_between_the_two_others_stay_where_threads_are_cancelled(build: Build) -> None:
    content = build(READ).read_bytes()
    sites = rewrite(content, "libc").report.sites
    assert [(site.function, site.treatment) for site in sites] == [
        ("f_read", "jump"), ("f_read", "trap"), ("f_pause", "trap"), ("f_other", "call"),
    ]  # fmt: skip
    assert {site.why for site in sites} == {
        None,
        "a thread that is cancelled there has its stack unwound, from where it is",
    }
    assert rewrite(content, "libc", cancelled=False).report.counts.left == 0


def test_the_call_between_two_labels_stays_where_threads_are_cancelled(build: Build) -> None:
    content = build(BETWEEN_LABELS).read_bytes()
    (site,) = rewrite(content, "libc").report.sites
    assert (site.treatment, site.why) == (
        "trap",
        "a C library's handler asks whether a thread that is cancelled is there",
    )
    assert rewrite(content, "libc", cancelled=False).report.counts.jumped == 1


@pytest.mark.parametrize(
    ("call", "flags", "alone", "cancels"),
    [
        ("pthread_cancel", (), False, True),
        ("pthread_detach", (), False, False),
        ("pthread_detach", ("-shared", "-fPIC"), False, False),
        ("pthread_cancel", ("-static",), True, True),
        ("pthread_detach", ("-static",), True, False),
        ("pthread_detach", ("-static", "-s"), True, True),
    ],
)
def test_who_may_cancel_threads(
    tmp_path: Path, call: str, flags: tuple[str, ...], *, alone: bool, cancels: bool
) -> None:
    source, binary = tmp_path / "a.c", tmp_path / "a"
    source.write_text(SOURCE)
    subprocess.run(["gcc", "-pthread", f"-DCALL={call}", *flags, "-o", binary, source], check=True)
    elf = read_elf(binary)
    assert (is_alone(elf), may_cancel(elf)) == (alone, cancels)


def test_the_library_that_has_the_function_does_not_call_it() -> None:
    found = subprocess.run(["gcc", "-print-file-name=libc.so.6"], check=True, capture_output=True, text=True).stdout
    assert not may_cancel(read_elf(Path(found.strip())))
