// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads the plan: see plan.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

struct list {
	void *items;
	size_t count;
	size_t size;
};

void fail(const char *what, const char *which)
{
	fprintf(stderr, "counter: %s: %s\n", what, which);
	exit(1);
}

void *zeroed(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size);

	if (!memory)
		fail("out of memory", "calloc");
	return memory;
}

static void *append(struct list *list, size_t item_size)
{
	if (list->count == list->size) {
		list->size = list->size ? 2 * list->size : 64;
		list->items = realloc(list->items, list->size * item_size);
		if (!list->items)
			fail("out of memory", "realloc");
	}
	return (char *)list->items + item_size * list->count++;
}

static struct watch *watch_of(const struct list *list, unsigned long id,
			      const char *line)
{
	if (id >= list->count)
		fail("plan names a watch that isn't there", line);
	return (struct watch *)list->items + id;
}

struct reading {
	struct list watches;
	struct list points;
	struct list ranges;
	struct list regions;
	struct list afters;	/* indices: the watches still move */
	bool exits;
};

static void add_watch(struct reading *reading, uint64_t keep, int snapshot, long after,
		      uint64_t after_hits)
{
	struct watch watch = { .keep = keep, .snapshot = snapshot,
			       .after_hits = after_hits };

	watch.stamps = zeroed(keep, sizeof(*watch.stamps));
	memcpy(append(&reading->watches, sizeof(watch)), &watch, sizeof(watch));
	memcpy(append(&reading->afters, sizeof(after)), &after, sizeof(after));
}

/* The watch is kept as its number until all are read. */
static void add_place(struct list *list, unsigned long id, uint64_t start,
		      uint64_t end)
{
	struct place place = { start, end, (struct watch *)(uintptr_t)id };

	memcpy(append(list, sizeof(place)), &place, sizeof(place));
}

static void read_line(struct reading *reading, const char *line)
{
	unsigned long id, keep, hits;
	uint64_t start, end;
	int snapshot;
	long after;

	if (sscanf(line, "watch %lu %lu %d %ld %lu", &id, &keep, &snapshot,
		   &after, &hits) == 5)
		add_watch(reading, keep, snapshot, after, hits);
	else if (sscanf(line, "at %lu %lx", &id, &start) == 2)
		add_place(&reading->points, id, start, start + 1);
	else if (sscanf(line, "in %lu %lx %lx", &id, &start, &end) == 3)
		add_place(&reading->ranges, id, start, end);
	else if (!strcmp(line, "exits\n"))
		reading->exits = true;
	else if (sscanf(line, "region %lx", &start) == 1)
		memcpy(append(&reading->regions, sizeof(start)), &start, sizeof(start));
	else
		fail("cannot read this line of the plan", line);
}

static int by_start(const void *left, const void *right)
{
	const struct place *a = left, *b = right;

	return a->start < b->start ? -1 : a->start > b->start;
}

static struct place *settle(struct list *places, const struct list *all)
{
	struct place *place = places->items;

	for (size_t i = 0; i < places->count; i++)
		place[i].watch = watch_of(all, (uintptr_t)place[i].watch, "at/in");
	if (places->count)
		qsort(place, places->count, sizeof(*place), by_start);
	return place;
}

static void settle_watches(struct plan *plan, const struct reading *all)
{
	for (size_t id = 0; id < plan->watch_count; id++) {
		struct watch *watch = &plan->watches[id];
		long after = ((long *)all->afters.items)[id];

		if (after >= 0)
			watch->after = watch_of(&all->watches, after, "after");
		if (watch->snapshot)
			watch->profile = zeroed(plan->region_count,
						sizeof(*watch->profile));
	}
}

void read_plan(struct plan *plan, const char *path)
{
	struct reading all = { 0 };
	uint64_t zero = 0;
	char line[256];
	FILE *file = fopen(path, "r");

	if (!file)
		fail("cannot read the plan", path);
	memcpy(append(&all.regions, sizeof(zero)), &zero, sizeof(zero));
	while (fgets(line, sizeof(line), file))
		read_line(&all, line);
	fclose(file);
	plan->points = settle(&all.points, &all.watches);
	plan->point_count = all.points.count;
	plan->ranges = settle(&all.ranges, &all.watches);
	plan->range_count = all.ranges.count;
	plan->regions = all.regions.items;
	plan->region_count = all.regions.count;
	plan->watches = all.watches.items;
	plan->watch_count = all.watches.count;
	plan->exits = all.exits;
	settle_watches(plan, &all);
}
