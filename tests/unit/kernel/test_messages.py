# SPDX-License-Identifier: GPL-2.0-only
"""What make says, reduced to what stopped it."""

from __future__ import annotations

from unilinux.kernel.messages import compiler_errors

OUTPUT = """\
  CC      kernel/fork.o
../mm/util.c: In function 'memdup':
../mm/util.c:10:2: warning: unused variable 'x' [-Wunused-variable]
   10 |  int x;
      |      ^
In file included from ../include/linux/kernel.h:5,
                 from ../kernel/fork.c:14:
../kernel/fork.c: In function 'copy_process':
../kernel/fork.c:99:9: error: 'nope' undeclared (first use in this function)
   99 |  return nope;
      |         ^~~~
  CC      mm/slub.o
make[3]: *** [../scripts/Makefile.build:229: kernel/fork.o] Error 1
make[2]: *** [../Makefile:1945: .] Error 2
"""


def test_errors_with_their_context_and_nothing_else() -> None:
    assert (
        "\n".join(compiler_errors(OUTPUT.splitlines()))
        == """\
In file included from ../include/linux/kernel.h:5,
                 from ../kernel/fork.c:14:
../kernel/fork.c: In function 'copy_process':
../kernel/fork.c:99:9: error: 'nope' undeclared (first use in this function)
   99 |  return nope;
      |         ^~~~"""
    )


def test_makes_own_errors_count_but_not_its_echo_of_others() -> None:
    lines = [
        "make[1]: *** No rule to make target 'x.c', needed by 'x.o'.  Stop.",
        "*** The source tree is not clean, please run 'make mrproper'",
        "make: *** [Makefile:251: __sub-make] Error 2",
        "/bin/sh: 1: lz4: not found",
    ]
    assert compiler_errors(lines) == (lines[0], lines[1], lines[3])


def test_linker_errors() -> None:
    lines = ["  LD      vmlinux", "ld: init/main.o: in function `f':", "main.c:(.text+0x1): undefined reference to `g'"]
    assert compiler_errors(lines) == tuple(lines[1:])


def test_silence_is_no_error() -> None:
    assert compiler_errors(["  CC      a.o", "x.c:1: warning: odd"]) == ()


def test_commands_of_other_jobs_may_stand_between_its_lines() -> None:
    lines = ["a.c: In function 'f':", "  CC      b.o", "a.c:1:2: error: no", "  LD      c.o", "    1 | x"]
    assert compiler_errors(lines) == (lines[0], lines[2], lines[4])
