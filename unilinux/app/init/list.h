/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lists in a word of the kernel's command line: items, percent-encoded and
 * separated by commas; see unilinux/app/startup.py.
 */

/* How many items a list has. */
static int count_items(const char *list)
{
	int count = !!list;

	while (list && (list = strchr(list, ','))) {
		count++;
		list++;
	}
	return count;
}

static int digit_value(char digit)
{
	return digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;
}

/* Takes a list apart in place. Returns the end of the items, where the first of them is at the beginning. */
static char **take_items(char **items, char *list)
{
	char *end = list;

	if (!list)
		return items;
	*items++ = list;
	for (; *list; list++) {
		if (*list == ',') {
			*end++ = 0;
			*items++ = end;
		} else if (*list == '%' && list[1] && list[2]) {
			*end++ = digit_value(list[1]) << 4 | digit_value(list[2]);
			list += 2;
		} else {
			*end++ = *list;
		}
	}
	*end = 0;
	return items;
}

/* Whether one of the variables has the name of this one. */
static int is_among(char *const *variables, char *const *end, const char *variable)
{
	size_t length = strchr(variable, '=') - variable + 1;

	for (; variables < end; variables++)
		if (!strncmp(*variables, variable, length))
			return 1;
	return 0;
}
