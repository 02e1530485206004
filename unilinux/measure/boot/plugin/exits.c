// SPDX-License-Identifier: GPL-2.0-or-later
/* Tells of exits: see exits.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "exits.h"
#include "plan.h"

#define MOST_BYTES 15	/* of an x86 instruction */

struct repeated {
	const char *kind;
	uint64_t address;
};

static void tell(const char *kind)
{
	char line[64];

	snprintf(line, sizeof(line), "exit %" PRIu64 " %s\n", executed(), kind);
	qemu_plugin_outs(line);
}

static void instruction_exits(unsigned int vcpu, void *kind)
{
	(void)vcpu;
	tell(kind);
}

/*
 * Each iteration of a REP string instruction is executed as an instruction, but
 * a hypervisor gets it as a whole. Iterations follow each other with nothing in
 * between, unless an interrupt comes: then the rest is another exit.
 */
static void repeated_exits(unsigned int vcpu, void *data)
{
	static const struct repeated *last;
	static uint64_t next;
	const struct repeated *here = data;
	uint64_t now = executed();

	(void)vcpu;
	if (!last || last->address != here->address || now != next)
		tell(here->kind);
	last = here;
	next = now + 1;
}

static void memory_exits(unsigned int vcpu, qemu_plugin_meminfo_t info,
			 uint64_t vaddr, void *data)
{
	const struct qemu_plugin_hwaddr *address = qemu_plugin_get_hwaddr(info, vaddr);

	(void)vcpu;
	(void)data;
	if (address && qemu_plugin_hwaddr_is_io(address))
		tell(qemu_plugin_mem_is_store(info) ? "write" : "read");
}

static size_t bytes_of(const struct qemu_plugin_insn *insn, uint8_t *bytes)
{
	size_t size = qemu_plugin_insn_size(insn);

	if (size > MOST_BYTES)
		size = MOST_BYTES;
#if QEMU_PLUGIN_API < 3
	memcpy(bytes, qemu_plugin_insn_data(insn), size);
	return size;
#else
	return qemu_plugin_insn_data(insn, bytes, size);
#endif
}

static bool is_legacy_prefix(uint8_t byte)
{
	switch (byte) {
	case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65:
	case 0x66: case 0x67: case 0xf0: case 0xf2: case 0xf3:
		return true;
	}
	return false;
}

static const char *two_byte_kind(const uint8_t *opcode, size_t size)
{
	switch (size ? opcode[0] : 0) {
	case 0x08: return "invd";
	case 0x09: return "wbinvd";
	case 0x30: return "wrmsr";
	case 0x32: return "rdmsr";
	case 0xa2: return "cpuid";
	case 0x01: return size > 1 && opcode[1] == 0xd1 ? "xsetbv" : NULL;
	}
	return NULL;
}

/*
 * Intel's manual, volume 2, appendix A. 0x40 to 0x4f are prefixes in 64-bit mode
 * and whole instructions of one byte in all others: what follows tells which.
 */
static const char *kind_of(const uint8_t *byte, size_t size)
{
	while (size > 1 && (is_legacy_prefix(*byte) || (*byte & 0xf0) == 0x40)) {
		byte++;
		size--;
	}
	switch (size ? *byte : 0) {
	case 0xe4: case 0xe5: case 0xec: case 0xed: case 0x6c: case 0x6d:
		return "in";
	case 0xe6: case 0xe7: case 0xee: case 0xef: case 0x6e: case 0x6f:
		return "out";
	case 0xf4:
		return "hlt";
	case 0x0f:
		return two_byte_kind(byte + 1, size - 1);
	}
	return NULL;
}

static bool is_repeated(const uint8_t *byte, size_t size)
{
	for (; size && is_legacy_prefix(*byte); byte++, size--)
		if (*byte == 0xf2 || *byte == 0xf3)
			return true;
	return false;
}

static void watch_repeated(struct qemu_plugin_insn *insn, const char *kind)
{
	struct repeated *here = zeroed(1, sizeof(*here));

	here->kind = kind;
	here->address = qemu_plugin_insn_vaddr(insn);
	qemu_plugin_register_vcpu_insn_exec_cb(insn, repeated_exits,
			QEMU_PLUGIN_CB_NO_REGS, here);
}

void watch_exits(struct qemu_plugin_insn *insn)
{
	uint8_t bytes[MOST_BYTES];
	size_t size = bytes_of(insn, bytes);
	const char *kind = kind_of(bytes, size);

	if (kind && is_repeated(bytes, size))
		watch_repeated(insn, kind);
	else if (kind)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, instruction_exits,
				QEMU_PLUGIN_CB_NO_REGS, (void *)kind);
	qemu_plugin_register_vcpu_mem_cb(insn, memory_exits,
			QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
}
