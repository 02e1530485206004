# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from unilinux.observe.makefiles import ALWAYS, Condition
from unilinux.observe.sources import Sources, conditional_functions

SOURCE = """
static int always(int a)
{
	return helper(a);
}

#ifdef CONFIG_A
int only_a(void)
{
}
static const struct net_proto_family unix_family_ops = {
	.family = PF_UNIX,
};
# if defined(CONFIG_B) && !IS_ENABLED(CONFIG_C) /* both */
long
only_a_and_b_and_not_c(struct file *file, int b)
{
}
# endif
#else
static inline int only_a(void) { return 0; }
#endif
int declared(int);
#if defined(CONFIG_A) || defined(CONFIG_B)
SYSCALL_DEFINE2(eventfd2, unsigned int, count, int, flags)
{
}
#elif defined(CONFIG_D)
int only_d(void)
{
}
#endif
static struct file_system_type proc_fs_type = {
	.name			= "proc",
};
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "fs").mkdir()
    (tmp_path / "fs/x.c").write_text(SOURCE)
    (tmp_path / "fs/all.c").write_text('#include <linux/fs.h>\n#include "x.c"\n')
    return tmp_path


def test_functions_have_the_conditions_around_them() -> None:
    found = list(conditional_functions(SOURCE))
    assert ("always", ALWAYS) in found
    assert ("only_a", Condition(on=frozenset("A"))) in found
    assert ("only_a", Condition(off=frozenset("A"))) in found
    assert ("only_a_and_b_and_not_c", Condition(frozenset("AB"), frozenset("C"))) in found
    assert ("eventfd2()", ALWAYS) in found
    assert ("only_d", Condition(on=frozenset("D"))) in found
    assert "declared" not in dict(found)
    assert "helper" not in dict(found)


def test_a_function_of_an_object_is_gated_by_what_is_on(tree: Path) -> None:
    sources = Sources(tree, {"A", "B"}.__contains__)
    assert sources.function_gates("fs/x.o", "only_a") == {"A"}
    assert sources.function_gates("fs/x.o", "only_a.isra.0") == {"A"}
    assert sources.function_gates("fs/x.o", "only_a_and_b_and_not_c") == {"A", "B"}
    assert sources.function_gates("fs/x.o", "__x64_sys_eventfd2") == set()
    assert sources.function_gates("fs/all.o", "only_a") == {"A"}
    assert Sources(tree, {"B"}.__contains__).function_gates("fs/x.o", "only_a") == set()
    assert sources.function_gates("arch/x86/entry/entry_64.o", "entry_SYSCALL_64") == set()


def test_what_a_source_provides(tree: Path) -> None:
    provided = Sources(tree, {"A"}.__contains__).providers(["fs/x.o"])
    assert provided.families == {"AF_UNIX": "fs/x.o"}
    assert provided.file_systems == {"proc": "fs/x.o"}


def test_where_an_absent_system_call_would_be(tree: Path) -> None:
    sources = Sources(tree, set[str]().__contains__)
    assert sources.homes_of_calls(["eventfd2", "io_setup"]) == {"eventfd2": "fs/x.o"}
    assert sources.homes_of_calls([]) == {}
