/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What makes a guest exit to its hypervisor on hardware, told as it happens by
 * lines in QEMU's log (-d plugin):
 *
 *   exit STAMP KIND    STAMP is the number of instructions executed before
 *
 * KIND is in or out (before the access), read or write (memory-mapped I/O, after
 * the access), or the name of an instruction. With -d trace:memory_region_ops_*
 * the log has the device, too: in the next line for a port, in the last line for
 * memory.
 */
#ifndef COUNTER_EXITS_H
#define COUNTER_EXITS_H

#include "api.h"

void watch_exits(struct qemu_plugin_insn *insn);
uint64_t executed(void);

#endif
