// SPDX-License-Identifier: GPL-2.0-only
/*
 * # long: one table of wild instructions and jumps
 * Wild code: INT n, changes of GS, privileged instructions, jumps into the kernel.
 * Each must end as at CPL 3, or in the documented way, and never the machine.
 */
#include "gate.h"
#include <asm/prctl.h>
#include <cpuid.h>

/* INT n for each n is an instruction of its own. */
#define INT_CASE(n, name)						\
static int name(void)							\
{									\
	asm volatile("int $" #n : : : "rax", "rcx", "rdx", "memory");	\
	return PASS;							\
}

INT_CASE(0x00, int_0_divide)
INT_CASE(0x01, int_1_debug)
INT_CASE(0x02, int_2_nmi)
INT_CASE(0x04, int_4_overflow)
INT_CASE(0x05, int_5_bound)
INT_CASE(0x06, int_6_invalid_op)
INT_CASE(0x07, int_7_device)
INT_CASE(0x08, int_8_double_fault)
INT_CASE(0x09, int_9_coprocessor)
INT_CASE(0x0a, int_10_tss)
INT_CASE(0x0b, int_11_not_present)
INT_CASE(0x0c, int_12_stack)
INT_CASE(0x0d, int_13_protection)
INT_CASE(0x0e, int_14_page_fault)
INT_CASE(0x0f, int_15_reserved)
INT_CASE(0x10, int_16_fpu)
INT_CASE(0x11, int_17_alignment)
INT_CASE(0x12, int_18_machine_check)
INT_CASE(0x13, int_19_simd)
INT_CASE(0x14, int_20_virtualisation)
INT_CASE(0x1e, int_30_security)
INT_CASE(0x20, int_32_first_external)
INT_CASE(0x30, int_48_timer)
INT_CASE(0x34, int_52_serial)
INT_CASE(0x80, int_128_system_call)
INT_CASE(0xec, int_236_local_timer)
INT_CASE(0xf6, int_246_irq_work)
INT_CASE(0xfb, int_251_call_function)
INT_CASE(0xfd, int_253_reschedule)
INT_CASE(0xfe, int_254_apic_error)
INT_CASE(0xff, int_255_spurious)

static volatile uintptr_t fault_rip;
static volatile sig_atomic_t signals;

static void note_rip(int signr, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	signals++;
	fault_rip = regs[REG_RIP];
	/* Over INT n, which has two bytes */
	regs[REG_RIP] += 2;
}

/* RIP is at the INT n in the signal frame, as at CPL 3, and it can go on. */
static int int_n_again_and_again(void)
{
	int i;

	handle(SIGSEGV, note_rip, 0);
	for (i = 0; i < 1000; i++) {
		uintptr_t rip;

		asm volatile("lea 1f(%%rip), %0\n1:	int $0xec" : "=r" (rip) : : "memory");
		EXPECT(fault_rip == rip);
		asm volatile("lea 1f(%%rip), %0\n1:	int $0x0e" : "=r" (rip) : : "memory");
		EXPECT(fault_rip == rip);
		asm volatile("lea 1f(%%rip), %0\n1:	int $0x08" : "=r" (rip) : : "memory");
		EXPECT(fault_rip == rip);
		asm volatile("lea 1f(%%rip), %0\n1:	int $0x02" : "=r" (rip) : : "memory");
		EXPECT(fault_rip == rip);
	}
	EXPECT(signals == 4000);
	return PASS;
}

/*
 * The bytes before RIP look like the timer's INT n, but the interrupt is a real
 * one: no signal.
 */
static int not_int_n(void)
{
	uint64_t end = nanoseconds() + 1000000000;

	while (nanoseconds() < end) {
		asm volatile("mov $100000, %%ecx\n"
			     "1:	mov $0xeccdeccd, %%eax\n\t"
			     "mov $0x30cd30cd, %%eax\n\t"
			     "dec %%ecx\n\tjnz 1b" : : : "eax", "ecx", "cc");
	}
	return PASS;
}

static int set_gs_null_attack(void)
{
	asm volatile("xor %%eax, %%eax\n\tmov %%eax, %%gs" : : : "eax");
	getppid();
	return PASS;
}

static int set_gs_data_attack(void)
{
	asm volatile("mov $0x2b, %%eax\n\tmov %%eax, %%gs" : : : "eax");
	getppid();
	return PASS;
}

static int set_gs_and_spin(void)
{
	alarm(1);
	asm volatile("xor %%eax, %%eax\n\tmov %%eax, %%gs\n1:	jmp 1b" : : : "eax");
	return PASS;
}

static int set_gs_and_fault(void)
{
	asm volatile("xor %%eax, %%eax\n\tmov %%eax, %%gs\n\tud2" : : : "eax");
	return PASS;
}

static int set_gs_and_gate_attack(void)
{
	NEED_GATE();
	asm volatile("xor %%eax, %%eax\n\tmov %%eax, %%gs" : : : "eax");
	gate_call(SYS_getppid, 0, 0, 0, 0, 0, 0);
	return PASS;
}

static int have_fsgsbase(void)
{
	return getauxval(AT_HWCAP2) & 2;
}

static int write_gs_base_attack(void)
{
	if (!have_fsgsbase())
		return because(SKIP, "no FSGSBASE");
	asm volatile("wrgsbase %0" : : "r" (&fault_rip));
	getppid();
	return PASS;
}

static int write_gs_base_and_gate_attack(void)
{
	NEED_GATE();
	if (!have_fsgsbase())
		return because(SKIP, "no FSGSBASE");
	asm volatile("wrgsbase %0" : : "r" (&fault_rip));
	gate_jmp(SYS_getppid, 0, 0, 0, 0, 0, 0);
	return PASS;
}

static int write_gs_base_and_spin_attack(void)
{
	if (!have_fsgsbase())
		return because(SKIP, "no FSGSBASE");
	alarm(1);
	asm volatile("wrgsbase %0\n1:	jmp 1b" : : "r" (&fault_rip));
	return PASS;
}

static int arch_set_gs(void)
{
	errno = 0;
	if (cpl())
		EXPECT(!syscall(SYS_arch_prctl, ARCH_SET_GS, 0x1000));
	else
		EXPECT(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x1000) == -1 && errno == EOPNOTSUPP);
	return PASS;
}

/* Run an attack and see how it ends: by this signal, or by exit() at CPL 0. */
static int ends(int (*attack)(void), int signr, int may_exit)
{
	int status = in_child(attack, 20);

	if (killed_by(status, signr))
		return because(PASS, "signal %d", signr);
	if (may_exit && status >= 0 && WIFEXITED(status))
		return because(PASS, "goes on");
	return because(FAIL, "status %#x", status);
}

#define ENDS_CASE(name, signr, may_exit)				\
static int name(void)							\
{									\
	return ends(name##_attack, signr, may_exit);			\
}

ENDS_CASE(set_gs_null, SIGSEGV, 1)
ENDS_CASE(set_gs_data, SIGSEGV, 1)
ENDS_CASE(set_gs_and_gate, SIGSEGV, 1)
ENDS_CASE(write_gs_base, SIGSEGV, 1)
ENDS_CASE(write_gs_base_and_gate, SIGSEGV, 1)
ENDS_CASE(write_gs_base_and_spin, SIGALRM, !have_fsgsbase())

/* At CPL 3 each is SIGSEGV.  At CPL 0, some are legal and do what they do. */
#define PRIVILEGED_CASE(name, insns)					\
static int name##_attack(void)						\
{									\
	asm volatile(insns : : : "rax", "rcx", "rdx", "memory");	\
	getppid();							\
	return PASS;							\
}									\
ENDS_CASE(name, SIGSEGV, !cpl())

/* Is this a guest of KVM? */
static int on_kvm(void)
{
	unsigned int a, b, c, d;

	__cpuid(1, a, b, c, d);
	if (!(c & (1u << 31)))
		return 0;
	__cpuid(0x40000000, a, b, c, d);
	return b == 0x4b4d564b;
}

static int on_amd(void)
{
	unsigned int a, b, c, d;

	__cpuid(0, a, b, c, d);
	return b == signature_AMD_ebx;
}

PRIVILEGED_CASE(halt, "hlt")
PRIVILEGED_CASE(out_port, "mov $0x80, %%dx\n\tout %%al, %%dx")
PRIVILEGED_CASE(in_port, "mov $0x61, %%dx\n\tin %%dx, %%al")
PRIVILEGED_CASE(read_msr, "mov $0xc0000082, %%ecx\n\trdmsr")
PRIVILEGED_CASE(read_debug_register, "mov %%db7, %%rax")
PRIVILEGED_CASE(write_cr3_same, "mov %%cr3, %%rax\n\tmov %%rax, %%cr3")
PRIVILEGED_CASE(clear_interrupts, "cli")
PRIVILEGED_CASE(clear_interrupts_and_fault, "cli\n\tmovl $1, 8")
PRIVILEGED_CASE(invalidate_tlb, "invlpg (%%rsp)")
PRIVILEGED_CASE(clear_task_switched, "clts")

/* An emulated AMD CPU asks KVM before it looks at the CPL, and KVM does nothing. */
static int write_back_caches_attack(void)
{
	asm volatile("wbinvd" : : : "memory");
	return PASS;
}
ENDS_CASE(write_back_caches, SIGSEGV, !cpl() || on_kvm())

/* QEMU takes any number for an MSR at CPL 0, and has no ICEBP in user code. */
PRIVILEGED_CASE(read_absent_msr, "mov $0x12345678, %%ecx\n\trdmsr")
PRIVILEGED_CASE(write_absent_msr, "mov $0x12345678, %%ecx\n\txor %%eax, %%eax\n\t"
		"xor %%edx, %%edx\n\twrmsr")

static int icebp_attack(void)
{
	asm volatile(".byte 0xf1");
	return PASS;
}

static int icebp(void)
{
	int status = in_child(icebp_attack, 20);

	EXPECT(killed_by(status, SIGTRAP) || killed_by(status, SIGILL));
	return PASS;
}

/* CLI by POPF is no fault at CPL 3, where it leaves IF alone. */
static int popf_clears_interrupts(void)
{
	volatile int i;
	unsigned long flags;

	asm volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\tandl $~0x200, (%%rsp)\n\tpopfq\n\t"
		     "lea 128(%%rsp), %%rsp" : : : "cc", "memory");
	for (i = 0; i < 100000; i++)
		;
	getppid();
	asm volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\tpop %0\n\tlea 128(%%rsp), %%rsp"
		     : "=r" (flags) : : "memory");
	EXPECT(flags & 0x200);
	return PASS;
}

static int jump_to(uintptr_t address)
{
	((void (*)(void))address)();
	return PASS;
}

static int jump_direct_map(void)
{
	return jump_to(0xffff888000100000);
}

static int jump_kernel_unmapped(void)
{
	return jump_to(0xffffff0000001000);
}

static int jump_gate_table(void)
{
	return jump_to(0xffffffffff600800);
}

/* An interrupt while kernel text runs on a user's stack: JMP to itself there */
static int jump_kernel_text_spin_attack(void)
{
	unsigned char *p = (unsigned char *)kernel_symbol("_stext");
	unsigned char *end = (unsigned char *)kernel_symbol("_etext");

	EXPECT(p && end);
	alarm(1);
	for (; p + 1 < end; p++) {
		if (p[0] == 0xeb && p[1] == 0xfe)
			jump_to((uintptr_t)p);
	}
	return SKIP;
}

static int jump_kernel_text_spin(void)
{
	int status;

	if (cpl())
		return because(SKIP, "not at CPL 3");
	status = in_child(jump_kernel_text_spin_attack, 20);
	if (killed_by(status, SIGALRM))
		return PASS;
	if (exited_with(status, SKIP))
		return because(SKIP, "no place found");
	return because(FAIL, "status %#x", status);
}

static int write_kernel_text(void)
{
	volatile char *text = (volatile char *)kernel_symbol("_stext");

	EXPECT(text);
	*text = (char)0x90;
	return PASS;
}

static int read_kernel_text_attack(void)
{
	volatile unsigned char *text = (volatile unsigned char *)kernel_symbol("_stext");

	EXPECT(text);
	return *text & 0;
}
ENDS_CASE(read_kernel_text, SIGSEGV, !cpl())

/* To CPL 3 and on from there */
static int far_return_attack(void)
{
	asm volatile("lea -128(%%rsp), %%rsp\n\tpush $0x33\n\tlea 1f(%%rip), %%rax\n\tpush %%rax\n\t"
		     "lretq\n1:	lea 128(%%rsp), %%rsp" : : : "rax", "memory");
	getppid();
	return PASS;
}
ENDS_CASE(far_return, SIGSEGV, 1)

/* At CPL 3 until the next event; the gate cannot be called from there. */
static int interrupt_return_attack(void)
{
	asm volatile("mov %%rsp, %%rcx\n\tlea -128(%%rsp), %%rsp\n\tpush $0x2b\n\tpush %%rcx\n\t"
		     "pushfq\n\tpush $0x33\n\tlea 1f(%%rip), %%rax\n\tpush %%rax\n\tiretq\n1:"
		     : : : "rax", "rcx", "memory");
	getppid();
	return PASS;
}

ENDS_CASE(interrupt_return, SIGSEGV, 1)

/*
 * No CPU has an entry for it: as at CPL 3 (#GP or #UD).  Where it is #UD, KVM wants to
 * emulate it, can't in 64-bit code, and stops the machine if that is at CPL 0.
 */
static int sysenter_attack(void)
{
	asm volatile("sysenter");
	return PASS;
}

static int sysenter(void)
{
	int status;

	if (!cpl() && on_kvm() && on_amd())
		return because(SKIP, "KVM on AMD stops the machine");
	status = in_child(sysenter_attack, 20);
	EXPECT(killed_by(status, SIGSEGV) || killed_by(status, SIGILL));
	return PASS;
}

static const struct guest_case cases[] = {
	CASE_SIGNAL(int_0_divide, SIGSEGV),
	CASE_SIGNAL(int_1_debug, SIGSEGV),
	CASE_SIGNAL(int_2_nmi, SIGSEGV),
	CASE_SIGNAL(int_4_overflow, SIGSEGV),
	CASE_SIGNAL(int_5_bound, SIGSEGV),
	CASE_SIGNAL(int_6_invalid_op, SIGSEGV),
	CASE_SIGNAL(int_7_device, SIGSEGV),
	CASE_SIGNAL(int_8_double_fault, SIGSEGV),
	CASE_SIGNAL(int_9_coprocessor, SIGSEGV),
	CASE_SIGNAL(int_10_tss, SIGSEGV),
	CASE_SIGNAL(int_11_not_present, SIGSEGV),
	CASE_SIGNAL(int_12_stack, SIGSEGV),
	CASE_SIGNAL(int_13_protection, SIGSEGV),
	CASE_SIGNAL(int_14_page_fault, SIGSEGV),
	CASE_SIGNAL(int_15_reserved, SIGSEGV),
	CASE_SIGNAL(int_16_fpu, SIGSEGV),
	CASE_SIGNAL(int_17_alignment, SIGSEGV),
	CASE_SIGNAL(int_18_machine_check, SIGSEGV),
	CASE_SIGNAL(int_19_simd, SIGSEGV),
	CASE_SIGNAL(int_20_virtualisation, SIGSEGV),
	CASE_SIGNAL(int_30_security, SIGSEGV),
	CASE_SIGNAL(int_32_first_external, SIGSEGV),
	CASE_SIGNAL(int_48_timer, SIGSEGV),
	CASE_SIGNAL(int_52_serial, SIGSEGV),
	CASE_SIGNAL(int_128_system_call, SIGSEGV),
	CASE_SIGNAL(int_236_local_timer, SIGSEGV),
	CASE_SIGNAL(int_246_irq_work, SIGSEGV),
	CASE_SIGNAL(int_251_call_function, SIGSEGV),
	CASE_SIGNAL(int_253_reschedule, SIGSEGV),
	CASE_SIGNAL(int_254_apic_error, SIGSEGV),
	CASE_SIGNAL(int_255_spurious, SIGSEGV),
	CASE(int_n_again_and_again),
	CASE(not_int_n),
	CASE(set_gs_null),
	CASE(set_gs_data),
	CASE_SIGNAL(set_gs_and_spin, SIGALRM),
	CASE_SIGNAL(set_gs_and_fault, SIGILL),
	CASE(set_gs_and_gate),
	CASE(write_gs_base),
	CASE(write_gs_base_and_gate),
	CASE(write_gs_base_and_spin),
	CASE(arch_set_gs),
	CASE(halt),
	CASE(out_port),
	CASE(in_port),
	CASE(read_msr),
	CASE(read_debug_register),
	CASE(write_cr3_same),
	CASE(clear_interrupts),
	CASE(clear_interrupts_and_fault),
	CASE(invalidate_tlb),
	CASE(write_back_caches),
	CASE(clear_task_switched),
	CASE(read_absent_msr),
	CASE(write_absent_msr),
	CASE(icebp),
	CASE(popf_clears_interrupts),
	CASE_SIGNAL(jump_direct_map, SIGSEGV),
	CASE_SIGNAL(jump_kernel_unmapped, SIGSEGV),
	CASE_SIGNAL(jump_gate_table, SIGSEGV),
	CASE(jump_kernel_text_spin),
	CASE_SIGNAL(write_kernel_text, SIGSEGV),
	CASE(read_kernel_text),
	CASE(far_return),
	CASE(interrupt_return),
	CASE(sysenter),
};

GUEST_MAIN(cases)
