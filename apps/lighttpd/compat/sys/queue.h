/* SPDX-License-Identifier: GPL-2.0-only */
/* The part of BSD's singly-linked tail queues that lighttpd uses; musl has no <sys/queue.h>. */
#ifndef COMPAT_SYS_QUEUE_H
#define COMPAT_SYS_QUEUE_H

#define STAILQ_HEAD(name, type)				\
struct name {						\
	struct type *stqh_first;			\
	struct type **stqh_last;			\
}

#define STAILQ_ENTRY(type)				\
struct {						\
	struct type *stqe_next;				\
}

#define STAILQ_FIRST(head)		((head)->stqh_first)
#define STAILQ_NEXT(item, field)	((item)->field.stqe_next)
#define STAILQ_EMPTY(head)		(!STAILQ_FIRST(head))

#define STAILQ_FOREACH(item, head, field)		\
	for ((item) = STAILQ_FIRST(head); (item); (item) = STAILQ_NEXT(item, field))

#define STAILQ_INIT(head) do {				\
	STAILQ_FIRST(head) = NULL;			\
	(head)->stqh_last = &STAILQ_FIRST(head);	\
} while (0)

#define STAILQ_INSERT_TAIL(head, item, field) do {	\
	STAILQ_NEXT(item, field) = NULL;		\
	*(head)->stqh_last = (item);			\
	(head)->stqh_last = &STAILQ_NEXT(item, field);	\
} while (0)

#define STAILQ_REMOVE_HEAD(head, field) do {		\
	STAILQ_FIRST(head) = STAILQ_NEXT(STAILQ_FIRST(head), field); \
	if (STAILQ_EMPTY(head))				\
		(head)->stqh_last = &STAILQ_FIRST(head); \
} while (0)

#endif
