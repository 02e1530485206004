# SPDX-License-Identifier: GPL-2.0-only
"""System calls by data flow: what is known, and what is said to be unknown."""

from __future__ import annotations

from tests.unit.redirect.conftest import Assemble
from unilinux.redirect.calls import Calls, system_calls
from unilinux.redirect.graph import reachable
from unilinux.redirect.program import Program

EXIT = " mov $60, %eax\n syscall\n ud2\n"


def calls(program: Program) -> Calls:
    return system_calls(reachable(program))


def numbers(program: Program) -> list[int]:
    found = calls(program)
    assert not found.unknown_calls
    return list(found.numbers)


def test_a_number_beside_its_system_call(assemble: Assemble) -> None:
    found = calls(assemble("_start:\n" + EXIT))
    assert found.numbers == {60: ("_start+0x5",)}
    assert not found.unknown_calls


def test_the_gate_by_call_by_jump_and_by_number(assemble: Assemble) -> None:
    program = assemble("""
_start: mov $1, %eax
 call *0xffffffffff600000
 mov $2, %eax
 lea 1f(%rip), %rcx
 jmp *0xffffffffff600010
1: call *0xffffffffff601018
 mov $60, %eax
 call *0xffffffffff600000
 ud2
""")
    assert numbers(program) == [1, 2, 3, 60]


def test_a_gate_call_keeps_what_the_kernel_keeps(assemble: Assemble) -> None:
    program = assemble("""
_start: mov $12, %edx
 mov $1, %eax
 call *0xffffffffff600000
 mov %edx, %eax
 call *0xffffffffff600000
 mov $60, %eax
 call *0xffffffffff600000
 ud2
""")
    assert numbers(program) == [1, 12, 60]


def test_paths_that_join_give_both_numbers(assemble: Assemble) -> None:
    program = assemble(
        """
_start: mov $5, %eax
 test %rdi, %rdi
 je 1f
 mov $6, %eax
1: syscall
"""
        + EXIT
    )
    assert numbers(program) == [5, 6, 60]


def test_a_loop_instruction_is_a_way_back(assemble: Assemble) -> None:
    program = assemble("_start: mov $5, %eax\n1: syscall\n mov $6, %eax\n loop 1b\n" + EXIT)
    assert numbers(program) == [5, 6, 60]


def test_a_conditional_move_gives_both_numbers(assemble: Assemble) -> None:
    program = assemble("_start: mov $5, %eax\n mov $6, %edx\n test %rdi, %rdi\n cmovne %edx, %eax\n syscall\n" + EXIT)
    assert numbers(program) == [5, 6, 60]


def test_by_way_of_the_stack(assemble: Assemble) -> None:
    program = assemble(
        """
_start: sub $24, %rsp
 movl $7, 8(%rsp)
 push $8
 pop %rdi
 call f_other
 mov 8(%rsp), %eax
 syscall
"""
        + EXIT
        + "f_other: ret\n"
    )
    assert numbers(program) == [7, 60]


def test_a_slot_whose_address_was_given_away_is_unknown(assemble: Assemble) -> None:
    program = assemble(
        """
_start: sub $24, %rsp
 movl $7, 8(%rsp)
 lea 8(%rsp), %rdi
 call f_other
 mov 8(%rsp), %eax
 syscall
"""
        + EXIT
        + "f_other: movl $9, (%rdi)\n ret\n"
    )
    found = calls(program)
    assert [unknown.place for unknown in found.unknown_calls] == ["_start+0x1a"]
    assert 7 not in found.numbers


def test_a_partial_register_write(assemble: Assemble) -> None:
    assert numbers(assemble("_start: xor %eax, %eax\n mov $56, %al\n syscall\n" + EXIT)) == [56, 60]


def test_a_comparison_tells_the_number(assemble: Assemble) -> None:
    program = assemble(
        """
_start: mov 16(%rdi), %rax
 test %rax, %rax
 jne 1f
 syscall
1:
"""
        + EXIT
    )
    assert numbers(program) == [0, 60]


def test_the_wrapper_is_followed_to_its_callers(assemble: Assemble) -> None:
    program = assemble("""
_start: mov $39, %edi
 call f_syscall
 mov $102, %edi
 jmp f_tail
f_tail: jmp f_syscall
f_syscall: mov %rdi, %rax
 mov %rsi, %rdi
 syscall
 ret
""")
    assert numbers(program) == [39, 102]


def test_a_wrapper_that_is_called_through_a_pointer_is_a_mystery(assemble: Assemble) -> None:
    program = assemble(
        """
_start: mov $39, %edi
 call f_syscall
"""
        + EXIT
        + """
f_syscall: mov %rdi, %rax
 syscall
 ret
.data
.quad f_syscall
"""
    )
    found = calls(program)
    assert [(unknown.place, unknown.why) for unknown in found.unknown_calls] == [
        ("f_syscall+0x3", "f_syscall gets it as an argument, and may be called through a pointer")
    ]


def test_a_number_from_memory_is_a_mystery(assemble: Assemble) -> None:
    found = calls(assemble("_start: mov 8(%rdi), %rax\n syscall\n" + EXIT))
    assert [unknown.place for unknown in found.unknown_calls] == ["_start+0x4"]


def test_a_call_may_change_the_register(assemble: Assemble) -> None:
    found = calls(assemble("_start: mov $5, %eax\n call f_other\n syscall\n" + EXIT + "f_other: ret\n"))
    assert [unknown.place for unknown in found.unknown_calls] == ["_start+0xa"]


def test_nothing_comes_back_from_a_function_that_never_returns(assemble: Assemble) -> None:
    program = assemble(
        """
_start: mov $3, %ebx
 test %rdi, %rdi
 je 1f
 mov (%rdi), %rbx
 call f_exit
1: mov %ebx, %eax
 syscall
 call f_exit
f_exit:
"""
        + EXIT
    )
    assert numbers(program) == [3, 60]


def test_tables_of_jumps_lead_to_their_cases(assemble: Assemble) -> None:
    program = assemble(
        """
_start: mov $17, %r12d
 jmp *table(,%rdi,8)
1: mov %r12d, %eax
 syscall
2:
"""
        + EXIT
        + ".section .rodata\ntable: .quad 1b, 2b\n"
    )
    assert numbers(program) == [17, 60]


def test_what_cannot_run_does_not_count(assemble: Assemble) -> None:
    program = assemble("_start:\n" + EXIT + "f_unused: mov $165, %eax\n syscall\n ret\n")
    assert numbers(program) == [60]


def test_what_has_its_address_taken_can_run(assemble: Assemble) -> None:
    program = assemble(
        "_start: lea f_handler(%rip), %rdi\n" + EXIT + "f_handler: mov $15, %eax\n syscall\n ud2\n"
        "f_in_data: mov $16, %eax\n syscall\n ret\n.data\n.quad f_in_data\n"
    )
    assert numbers(program) == [15, 16, 60]


def test_a_loop_that_counts_comes_to_rest(assemble: Assemble) -> None:
    found = calls(assemble("_start: xor %eax, %eax\n1: inc %eax\n syscall\n cmp $9, %rdi\n jne 1b\n" + EXIT))
    assert [unknown.place for unknown in found.unknown_calls] == ["_start+0x4"]
    found = calls(assemble("_start: xor %ebx, %ebx\n1: inc %ebx\n mov %ebx, %eax\n syscall\n jmp 1b\n"))
    assert [unknown.place for unknown in found.unknown_calls] == ["_start+0x6"]


def test_numbers_of_another_system_are_unknown(assemble: Assemble) -> None:
    found = calls(assemble("_start: mov $1, %eax\n int $0x80\n" + EXIT))
    assert [unknown.why for unknown in found.unknown_calls] == [
        "entered by int 0x80 or sysenter, whose numbers are others"
    ]


def test_a_system_call_outside_all_symbols_is_a_mystery(assemble: Assemble) -> None:
    found = calls(assemble("_start:\n" + EXIT + ".size _start, . - _start\n nop\n syscall\n"))
    assert [unknown.why for unknown in found.unknown_calls] == ["no symbol covers it"]


def test_code_that_cannot_be_read_is_a_mystery(assemble: Assemble) -> None:
    found = calls(assemble("_start:\n" + EXIT + ".byte 0x06, 0x0f, 0x05\n"))
    assert [(unknown.place, unknown.why) for unknown in found.unknown_calls] == [
        ("_start+0x9", "the code cannot be read from there on")
    ]


def test_without_symbols_all_code_counts(assemble: Assemble) -> None:
    assert numbers(assemble("_start:\n" + EXIT + "f_unused: mov $39, %eax\n syscall\n ret\n", strip=True)) == [39, 60]


def test_a_number_handed_over_in_memory_by_musls_setxid(assemble: Assemble) -> None:
    program = assemble(
        """
_start: mov $105, %edi
 call __setxid
"""
        + EXIT
        + """
.type __setxid, @function
__setxid: lea do_setxid(%rip), %rax
 ret
.type do_setxid, @function
do_setxid: mov 24(%rdi), %rax
 syscall
 ret
"""
    )
    assert numbers(program) == [60, 105]
