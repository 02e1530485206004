// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * counter - a QEMU TCG plugin that counts every guest instruction since reset
 *
 *   -plugin counter.so,plan=FILE,out=FILE
 *
 * The plan is described in plan.h.
 *
 * The output, written when QEMU ends:
 *
 *   total N
 *   vcpu INDEX N
 *   watch ID HITS STAMP...              a stamp is the number of instructions
 *                                       executed before the watched one
 *   snapshot ID REGION N                region 0 is what lies below the first
 *   region REGION N
 *
 * Where the plan asks for exits, they are told in QEMU's log: see exits.h.
 *
 * Counting costs the guest nothing: it can't see the plugin. An instruction
 * that faults and is restarted counts each time, and so does each iteration of
 * a REP string instruction, as QEMU translates it to a loop.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "exits.h"
#include "plan.h"

EXPORT int qemu_plugin_version = QEMU_PLUGIN_API;

static struct plan plan;
static const char *out_path;

/*
 * Counters: one row of regions per vCPU. The total is the sum of a row, so that
 * an instruction costs one addition and not two.
 */
#if QEMU_PLUGIN_API == 1
static uint64_t *rows;
static unsigned int vcpu_count;

static void counters_init(const struct qemu_info *info)
{
	vcpu_count = info->system.max_vcpus > 0 ? info->system.max_vcpus : 1;
	rows = zeroed(vcpu_count * plan.region_count, sizeof(*rows));
}

static unsigned int vcpus(void)
{
	return vcpu_count;
}

static uint64_t *row(unsigned int vcpu)
{
	return rows + vcpu * plan.region_count;
}

static void count_here(unsigned int vcpu, void *region)
{
	row(vcpu)[(uintptr_t)region]++;
}

/* Inline additions don't know their vCPU and aren't atomic: only for one. */
static void count(struct qemu_plugin_insn *insn, size_t region)
{
	if (vcpu_count == 1)
		qemu_plugin_register_vcpu_insn_exec_inline(insn,
				QEMU_PLUGIN_INLINE_ADD_U64, &rows[region], 1);
	else
		qemu_plugin_register_vcpu_insn_exec_cb(insn, count_here,
				QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)region);
}
#else
static struct qemu_plugin_scoreboard *score;

static void counters_init(const struct qemu_info *info)
{
	(void)info;
	score = qemu_plugin_scoreboard_new(plan.region_count * sizeof(uint64_t));
}

static unsigned int vcpus(void)
{
	return qemu_plugin_num_vcpus();
}

static uint64_t *row(unsigned int vcpu)
{
	return qemu_plugin_scoreboard_find(score, vcpu);
}

static void count(struct qemu_plugin_insn *insn, size_t region)
{
	struct qemu_plugin_u64 counter = { score, region * sizeof(uint64_t) };

	qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn,
			QEMU_PLUGIN_INLINE_ADD_U64, counter, 1);
}
#endif

static uint64_t executed_by(unsigned int vcpu)
{
	const uint64_t *counts = row(vcpu);
	uint64_t sum = 0;

	for (size_t i = 0; i < plan.region_count; i++)
		sum += counts[i];
	return sum;
}

uint64_t executed(void)
{
	uint64_t sum = 0;

	for (unsigned int vcpu = 0; vcpu < vcpus(); vcpu++)
		sum += executed_by(vcpu);
	return sum;
}

static void take_profile(uint64_t *profile)
{
	for (unsigned int vcpu = 0; vcpu < vcpus(); vcpu++) {
		const uint64_t *counts = row(vcpu);

		for (size_t i = 0; i < plan.region_count; i++)
			profile[i] += counts[i];
	}
}

static bool armed(const struct watch *watch)
{
	return !watch->after || watch->after->hits >= watch->after_hits;
}

/*
 * Ranges may be wide (all of user space), so their code is left alone before
 * they are armed and when they have all the stamps that they keep.
 */
static bool waiting(const struct watch *watch)
{
	return armed(watch) && watch->hits < watch->keep;
}

/* Called before the instruction is counted: watches are registered first. */
static void hit(unsigned int vcpu, void *data)
{
	struct watch *watch = data;
	uint64_t number;

	(void)vcpu;
	if (!armed(watch))
		return;
	number = __atomic_fetch_add(&watch->hits, 1, __ATOMIC_RELAXED);
	if (number < watch->keep)
		watch->stamps[number] = executed();
	if (number == 0 && watch->snapshot)
		take_profile(watch->profile);
}

static size_t region_of(uint64_t address)
{
	size_t low = 0, high = plan.region_count;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (plan.regions[middle] <= address)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static size_t first_point(uint64_t address)
{
	size_t low = 0, high = plan.point_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (plan.points[middle].start < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void watch_insn(struct qemu_plugin_insn *insn, uint64_t address)
{
	for (size_t i = first_point(address);
	     i < plan.point_count && plan.points[i].start == address; i++)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, hit,
				QEMU_PLUGIN_CB_NO_REGS, plan.points[i].watch);
	for (size_t i = 0; i < plan.range_count; i++)
		if (address >= plan.ranges[i].start &&
		    address < plan.ranges[i].end && waiting(plan.ranges[i].watch))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, hit,
					QEMU_PLUGIN_CB_NO_REGS, plan.ranges[i].watch);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t insns = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (size_t i = 0; i < insns; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t address = qemu_plugin_insn_vaddr(insn);

		watch_insn(insn, address);
		if (plan.exits)
			watch_exits(insn);
		count(insn, region_of(address));
	}
}

static void write_counts(FILE *out)
{
	uint64_t *profile = zeroed(plan.region_count, sizeof(*profile));

	fprintf(out, "total %lu\n", executed());
	for (unsigned int vcpu = 0; vcpu < vcpus(); vcpu++)
		fprintf(out, "vcpu %u %lu\n", vcpu, executed_by(vcpu));
	for (size_t id = 0; id < plan.watch_count; id++) {
		const struct watch *watch = &plan.watches[id];

		fprintf(out, "watch %zu %lu", id, watch->hits);
		for (uint64_t i = 0; i < watch->hits && i < watch->keep; i++)
			fprintf(out, " %lu", watch->stamps[i]);
		fputc('\n', out);
		for (size_t i = 0; watch->snapshot && i < plan.region_count; i++)
			if (watch->profile[i])
				fprintf(out, "snapshot %zu %zu %lu\n", id, i,
					watch->profile[i]);
	}
	take_profile(profile);
	for (size_t i = 0; i < plan.region_count; i++)
		if (profile[i])
			fprintf(out, "region %zu %lu\n", i, profile[i]);
	free(profile);
}

static void ended(qemu_plugin_id_t id, void *data)
{
	FILE *out = fopen(out_path, "w");

	(void)id;
	(void)data;
	if (!out)
		fail("cannot write", out_path);
	write_counts(out);
	if (fclose(out))
		fail("cannot write", out_path);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info,
			       int argc, char **argv)
{
	const char *plan_path = NULL;

	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "plan=", 5))
			plan_path = argv[i] + 5;
		else if (!strncmp(argv[i], "out=", 4))
			out_path = strdup(argv[i] + 4);
		else
			fail("unknown argument", argv[i]);
	}
	if (!plan_path || !out_path)
		fail("missing argument", "plan=FILE and out=FILE are needed");
	read_plan(&plan, plan_path);
	counters_init(info);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, ended, NULL);
	return 0;
}
