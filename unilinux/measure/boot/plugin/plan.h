/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is to be counted, read from a text of one item per line (hexadecimal
 * addresses, no prefix):
 *
 *   watch ID KEEP SNAPSHOT AFTER HITS   ID counts from 0 in order; stamp the
 *                                       first KEEP executions; SNAPSHOT 1
 *                                       keeps the profile as it was at the
 *                                       first; AFTER is the watch that must
 *                                       have been hit HITS times before, or -1
 *   at ID ADDRESS                       the instruction that watch ID waits for
 *   in ID START END                     or any in [START, END), until it has
 *                                       KEEP stamps
 *   region ADDRESS                      the profile counts by region: from one
 *                                       address to the next, sorted
 *   exits                               tell of what makes a guest exit, see
 *                                       exits.h
 */
#ifndef COUNTER_PLAN_H
#define COUNTER_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct watch {
	uint64_t hits;
	uint64_t *stamps;
	uint64_t keep;
	struct watch *after;	/* not counted before this one ... */
	uint64_t after_hits;	/* ... was hit so many times */
	bool snapshot;
	uint64_t *profile;	/* by region, at the first hit */
};

struct place {
	uint64_t start;
	uint64_t end;
	struct watch *watch;
};

struct plan {
	struct watch *watches;
	size_t watch_count;
	struct place *points;	/* one address each, sorted */
	size_t point_count;
	struct place *ranges;
	size_t range_count;
	uint64_t *regions;	/* where each begins, sorted; the first is 0 */
	size_t region_count;
	bool exits;
};

void read_plan(struct plan *plan, const char *path);
void fail(const char *what, const char *which) __attribute__((noreturn));
void *zeroed(size_t count, size_t size);

#endif
