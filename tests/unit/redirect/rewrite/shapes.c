// SPDX-License-Identifier: GPL-2.0-only
/*
 * System calls in all shapes that the rewriter knows, and a gate of signals: where the kernel has no gate,
 * what calls it is a page fault, and the handler makes the system call in its place. So a rewritten program
 * runs here, and its exit status says which of the shapes went wrong. For each call it writes a letter:
 * c for one that called the gate, j for one that jumped to it.
 */
#define SYS_write	1
#define SYS_rt_sigaction	13
#define SYS_pipe	22
#define SYS_getpid	39
#define SYS_exit	60
#define GATE		0xffffffffff600000UL
#define JUMP_GATE	(GATE + 0x10)
#define NUMBER_GATES	(GATE + 0x1000)
#define STATUS_FLAGS	0x8d5

#define FUNCTION(name, body)						\
	asm(".text\n.globl " #name "\n.type " #name ", @function\n" #name ":\n" \
	    ".cfi_startproc\n" body "\n.cfi_endproc\n.size " #name ", . - " #name "\n"); \
	long name(long a, long b, long c)

/* The address behind it is taken, so it stays as it is. */
asm(".data\nkept: .quad plain_end\n");
FUNCTION(plain, "mov %rdi, %rax\n\tmov %rsi, %rdi\n\tmov %rdx, %rsi\n\tmov %rcx, %rdx\n\tmov %r8, %r10\n\t"
	 "syscall\nplain_end:\n\tret");
long plain4(long nr, long a, long b, long c, long d) asm("plain");

FUNCTION(restore, "mov $15, %rax\n\tsyscall");

FUNCTION(called, "mov $39, %eax\n\tsyscall\n\tret");
FUNCTION(called_64, "mov $39, %rax\n\tsyscall\n\tret");
FUNCTION(waits, "xor %eax, %eax\n\tnop\n\tnop\n\tnop\n\tsyscall\n\tret");
FUNCTION(short_zero, "xor %eax, %eax\n\tsyscall\n\tcmp $-4095, %rax\n\tjae 1f\n\tret\n1:\tmov $-1, %rax\n\tret");
FUNCTION(returns_at_once, "mov %edx, %eax\n\tsyscall\n\tret\n\tnop\n\tnop");
FUNCTION(red_zone, "movq $77, -8(%rsp)\n\tmov $39, %eax\n\tsyscall\n\tcmpq $77, -8(%rsp)\n\tjne 1f\n\tret\n"
	 "1:\txor %eax, %eax\n\tret");
FUNCTION(frame_red_zone, "push %rbp\n\tmov %rsp, %rbp\n\tmovq $78, -8(%rbp)\n\tmov $39, %eax\n\tsyscall\n\t"
	 "cmpq $78, -8(%rbp)\n\tpop %rbp\n\tjne 1f\n\tret\n1:\txor %eax, %eax\n\tret");
FUNCTION(frame, "push %rbp\n\tmov %rsp, %rbp\n\tsub $16, %rsp\n\tmovq $78, -8(%rbp)\n\tmov $39, %eax\n\tsyscall\n\t"
	 "cmpq $78, -8(%rbp)\n\tleave\n\tjne 1f\n\tret\n1:\txor %eax, %eax\n\tret");
asm(".data\nnumber_of_getpid: .long 39\n");
FUNCTION(relative, "mov number_of_getpid(%rip), %eax\n\tsyscall\n\tret");
FUNCTION(relative_after, "test %edi, %edi\n\tjz 1f\n\tmov $39, %eax\n\tjmp 2f\n1:\tmov $39, %eax\n"
	 "2:\tsyscall\n\tmov number_of_getpid(%rip), %ecx\n\tcmp $39, %ecx\n\tjne 3f\n\tret\n3:\txor %eax, %eax\n\tret");
FUNCTION(led_to_inside, "mov $39, %eax\n\ttest %edi, %edi\n\tjz 1f\n\tmov $39, %ecx\n1:\tnop\n\tsyscall\n\t"
	 "cmp $-4095, %rax\n\tret");
FUNCTION(conditional, "mov $39, %eax\n\ttest %edi, %edi\n\tjz 1f\n\tnop\n\tnop\n\tsyscall\n\tret\n1:\txor %eax, %eax\n\tret");
FUNCTION(flags, "mov $39, %eax\n\tcmp %edi, %edi\n\tsyscall\n\tjne 1f\n\tret\n1:\txor %eax, %eax\n\tret");
FUNCTION(loops, "mov $3, %r8d\n1:\tmov $39, %eax\n2:\tsyscall\n\tdec %r8d\n\tjz 3f\n\tmov $39, %eax\n\tjmp 2b\n3:\tret");
FUNCTION(table_jump, "lea 9f(%rip), %rcx\n\tmovslq (%rcx, %rdi, 4), %rdx\n\tadd %rcx, %rdx\n\tjmp *%rdx\n"
	 "7:\tmov $38, %eax\n8:\tadd $1, %eax\n\tsyscall\n\tret\n.section .rodata\n.align 4\n"
	 "9:\t.long 7b - 9b, 8b - 9b\n.text");
FUNCTION(high_number, "mov $600, %eax\n\tsyscall\n\tret");
FUNCTION(crash_in_padding, "hlt\n\tint3\n\tint3");
FUNCTION(crash_before_label, "test %edi, %edi\n\tjz 1f\n\thlt\n1:\tret");

/* ucontext_t, as far as it is needed */
struct context {
	unsigned long flags, link, stack[3], r8, r9, r10, r11, r12, r13, r14, r15;
	unsigned long rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
};

static void fault(int signr, void *info, struct context *c)
{
	unsigned char *code = (unsigned char *)c->rip;
	unsigned long target = (long)*(int *)(code + 3);

	if (code[0] != 0xff || code[2] != 0x25 || target < GATE)
		plain4(SYS_exit, 100, 0, 0, 0);
	if (code[1] == 0x14) {
		/* As the gate does: the return address is on the stack. */
		*(unsigned long *)(c->rsp - 8) = c->rip + 7;
		c->rcx = c->rip + 7;
		c->rax = (target - NUMBER_GATES) / 8;
	} else if (target != JUMP_GATE) {
		plain4(SYS_exit, 101, 0, 0, 0);
	}
	plain4(SYS_write, 1, (long)(code[1] == 0x14 ? "c" : "j"), 1, 0);
	c->rip = c->rcx;
	c->rax = plain4(c->rax, c->rdi, c->rsi, c->rdx, c->r10);
	/* What a program can't rely on after it */
	c->rcx = c->r11 = 0xdead;
	c->eflags ^= STATUS_FLAGS;
}

struct action {
	void (*handler)(int, void *, struct context *);
	unsigned long flags;
	long (*restorer)(long, long, long);
	unsigned long mask;
};

#define EXPECT(number, condition)					\
	do {								\
		if (!(condition))					\
			plain4(SYS_exit, number, 0, 0, 0);		\
	} while (0)

__attribute__((force_align_arg_pointer)) void _start(void)
{
	/* SA_SIGINFO | SA_RESTORER | SA_NODEFER */
	struct action action = { fault, 0x4 | 0x04000000 | 0x40000000, restore, 0 };
	int ends[2];
	char byte;
	long self;

	EXPECT(1, !plain4(SYS_rt_sigaction, 11, (long)&action, 0, 8));
	self = plain4(SYS_getpid, 0, 0, 0, 0);
	EXPECT(2, called(0, 0, 0) == self);
	EXPECT(3, called_64(0, 0, 0) == self);
	EXPECT(4, !plain4(SYS_pipe, (long)ends, 0, 0, 0));
	EXPECT(5, plain4(SYS_write, ends[1], (long)"ab", 2, 0) == 2);
	EXPECT(6, waits(ends[0], (long)&byte, 1) == 1 && byte == 'a');
	EXPECT(7, short_zero(ends[0], (long)&byte, 1) == 1 && byte == 'b');
	EXPECT(8, short_zero(-1, (long)&byte, 1) == -1);
	EXPECT(9, returns_at_once(0, 0, SYS_getpid) == self);
	EXPECT(10, red_zone(0, 0, 0) == self);
	EXPECT(11, frame_red_zone(0, 0, 0) == self);
	EXPECT(12, frame(0, 0, 0) == self);
	EXPECT(13, relative(0, 0, 0) == self);
	EXPECT(14, relative_after(0, 0, 0) == self && relative_after(1, 0, 0) == self);
	EXPECT(15, led_to_inside(0, 0, 0) == self && led_to_inside(1, 0, 0) == self);
	EXPECT(16, conditional(0, 0, 0) == 0 && conditional(1, 0, 0) == self);
	EXPECT(17, flags(0, 0, 0) == self);
	EXPECT(18, loops(0, 0, 0) == self);
	EXPECT(19, table_jump(0, 0, 0) == self);
	EXPECT(20, high_number(0, 0, 0) == -38);
	crash_before_label(0, 0, 0);
	plain4(SYS_exit, 0, 0, 0, 0);
}
