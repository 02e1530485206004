# SPDX-License-Identifier: GPL-2.0-only
"""The digest of a step's code: which changes count, and what happens when the source changes underneath."""

import functools
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import unilinux
from unilinux.core.code import UNCOUNTED, CodeDigests, loaded_code
from unilinux.core.errors import HostError
from unilinux.kconfig import step as kconfig_step
from unilinux.kernel import kbuild
from unilinux.ops import costs

FILES = {
    "__init__.py": "",
    "top.py": '"""Doc."""\nfrom demo import middle\n\ndef f():\n    """Doc."""\n    return middle.g()\n',
    "middle.py": "def g():\n    from demo.inner.low import h\n    return h()\n",
    "inner/__init__.py": "",
    "inner/low.py": "WORKER = 'demo.worker'\nSOURCES = 'data'\ndef h(): return WORKER\n",
    "inner/data/main.c": "int main(void) { return 0; }\n",
    "inner/other.c": "int other;\n",
    "worker.py": "print(1)\n",
    "typed.py": "X = 1\n",
    "stranger.py": "Y = 2\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / "demo" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "demo" / name).write_text(text)
    return tmp_path / "demo"


def digests(package: Path, *, started_ns: int | None = None) -> CodeDigests:
    return CodeDigests(package, package.parent / "code.json", started_ns=started_ns or time.time_ns())


def action(module: str) -> Callable[..., object]:
    made = FunctionType((lambda: None).__code__, {"__name__": module})
    assert made.__module__ == module
    return made


TOP = action("demo.top")


def test_a_module_counts_with_all_that_it_imports_wherever_that_stands(package: Path) -> None:
    found = digests(package).closure("demo.top")
    assert found == (
        "demo",
        "demo.inner",
        "demo.inner.low",
        "demo.middle",
        "demo.top",
        "demo.worker",
        "demo/inner/data/main.c",
    )


@pytest.mark.parametrize(
    "name", ["top.py", "middle.py", "inner/low.py", "inner/__init__.py", "worker.py", "inner/data/main.c"]
)
def test_a_change_in_any_of_them_changes_the_digest(package: Path, name: str) -> None:
    before = digests(package).of(TOP)
    (package / name).write_text(FILES[name] + "Z = 3\n")
    assert digests(package).of(TOP) != before


def test_a_new_file_in_a_folder_that_a_module_names_counts_at_once(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unilinux.core.code._FRESH_NS", 0)
    before = digests(package).of(TOP)
    (package / "inner/data/more.h").write_text("extern int more;\n")
    assert digests(package).of(TOP) != before


def test_a_file_that_no_module_names_does_not_count(package: Path) -> None:
    before = digests(package).of(TOP)
    (package / "inner/other.c").write_text("int changed;\n")
    assert digests(package).of(TOP) == before


def test_a_source_that_changes_while_a_step_runs_is_refused(package: Path) -> None:
    code = digests(package)
    code.of(TOP)
    (package / "inner/data/main.c").write_text("int main(void) { return 1; }\n")
    with pytest.raises(HostError, match=r"main\.c was changed while UniLinux was running"):
        code.require_unchanged(TOP)


def test_comments_docstrings_and_modules_that_are_not_imported_change_nothing(package: Path) -> None:
    before = digests(package).of(TOP)
    (package / "top.py").write_text(FILES["top.py"].replace("Doc.", "Better.").replace("def f", "# why\ndef f"))
    (package / "stranger.py").write_text("Y = 3\n")
    assert digests(package).of(TOP) == before


def test_an_import_for_types_alone_does_not_count(package: Path) -> None:
    text = "import typing\nif typing.TYPE_CHECKING:\n    from demo.typed import X\nelse:\n    import demo.worker\n"
    (package / "top.py").write_text(text)
    assert digests(package).closure("demo.top") == ("demo", "demo.top", "demo.worker")


def test_the_action_may_be_wrapped_and_code_of_others_has_no_digest(package: Path) -> None:
    code = digests(package)
    assert code.of(functools.partial(TOP)) == code.of(TOP) != ""
    assert code.of(print) == ""


def test_a_file_that_changed_since_it_was_loaded_is_refused(package: Path) -> None:
    code = digests(package, started_ns=time.time_ns() - 10**12)
    with pytest.raises(HostError, match=r"\.py was changed while UniLinux was running"):
        code.of(TOP)


def test_a_file_that_changes_while_a_step_runs_is_refused(package: Path) -> None:
    code = digests(package)
    code.of(TOP)
    code.require_unchanged(TOP)
    (package / "inner/low.py").write_text("WORKER = 'demo.worker'\ndef h(): return 2\n")
    with pytest.raises(HostError, match=r"low\.py was changed while UniLinux was running"):
        code.require_unchanged(TOP)


def test_what_was_loaded_before_may_change_meanwhile(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The running code is what was digested, whatever is on the disk now; a process of its own loads it anew."""
    for name in ("demo", "demo.top", "demo.middle", "demo.inner", "demo.inner.low"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    code = digests(package)
    code.of(TOP)
    (package / "middle.py").write_text("nothing = 1\n")
    code.require_unchanged(TOP)
    (package / "worker.py").write_text("print(2)\n")
    with pytest.raises(HostError, match=r"worker\.py was changed"):
        code.require_unchanged(TOP)


@pytest.mark.parametrize("damage", ["", "[]", '{"demo.top": 1}', '{"demo.top": [["x"], "d", ["demo"], []]}', "{"])
def test_a_damaged_memory_is_made_anew(package: Path, damage: str) -> None:
    before = digests(package).of(TOP)
    (package.parent / "code.json").write_text(damage)
    assert digests(package).of(TOP) == before


def test_what_is_remembered_is_not_parsed_again(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unilinux.core.code._FRESH_NS", 0)
    before = digests(package).of(TOP)

    def no_parse(*_: object, **__: object) -> None:
        raise AssertionError("parsed again")

    monkeypatch.setattr("unilinux.core.code._parsed", no_parse)
    assert digests(package).of(TOP) == before


def test_two_checkouts_share_a_memory(package: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each remembers its own files: else each would make the other parse all of them again."""
    monkeypatch.setattr("unilinux.core.code._FRESH_NS", 0)
    other = tmp_path / "other" / "demo"
    shutil.copytree(package, other)
    memory = tmp_path / "code.json"

    def both() -> None:
        for folder in (package, other):
            CodeDigests(folder, memory, started_ns=time.time_ns()).of(TOP)

    def no_parse(*_: object, **__: object) -> None:
        raise AssertionError("parsed again")

    both()
    with monkeypatch.context() as patch:
        patch.setattr("unilinux.core.code._parsed", no_parse)
        both()
    shutil.rmtree(other)
    (package / "top.py").write_text("X = 1\n")
    CodeDigests(package, memory, started_ns=time.time_ns()).of(TOP)
    assert not [path for path in json.loads(memory.read_text()) if path.startswith(str(other))]


def test_the_real_steps_count_what_they_call(tmp_path: Path) -> None:
    code = loaded_code(tmp_path / "code.json")
    compiled = code.closure(kbuild.__name__)
    assert {"unilinux.kernel.kbuild", "unilinux.kernel.make", "unilinux.core.command"} <= set(compiled)
    configured = code.closure(kconfig_step.__name__)
    assert {"unilinux.kconfig.worker", "unilinux.kconfig.solve", "unilinux.kconfig.base"} <= set(configured)
    assert not UNCOUNTED & {*compiled, *configured}


def test_results_of_the_counter_count_its_c_sources(tmp_path: Path) -> None:
    measured = loaded_code(tmp_path / "code.json").closure(costs.__name__)
    assert {f"unilinux/measure/boot/plugin/{name}.c" for name in ("counter", "exits", "plan")} <= set(measured)


def test_each_file_of_the_package_that_is_no_python_counts_where_it_is_used(tmp_path: Path) -> None:
    """C sources, templates and scripts: else what they made before they were changed would be an answer."""
    package = Path(unilinux.__file__).parent
    code = loaded_code(tmp_path / "code.json")
    names = [".".join(path.relative_to(package.parent).with_suffix("").parts) for path in package.rglob("*.py")]
    counted = {found for name in names for found in code.closure(name)}
    others = {path for path in package.rglob("*.*") if path.is_file() and path.suffix not in (".py", ".pyc", ".typed")}
    assert others
    assert {path.relative_to(package.parent).as_posix() for path in others} <= counted


def test_every_module_that_does_not_count_exists() -> None:
    package = Path(unilinux.__file__).parent
    for name in UNCOUNTED:
        base = package.parent.joinpath(*name.split("."))
        assert base.with_suffix(".py").is_file() or (base / "__init__.py").is_file(), name
