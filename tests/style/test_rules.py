# SPDX-License-Identifier: GPL-2.0-only
"""The rules find what they are for, and let pass what is right."""

from collections.abc import Iterable

from tests.style import rules


def _texts(problems: Iterable[rules.Problem]) -> list[str]:
    return [str(problem) for problem in sorted(problems, key=lambda problem: problem.line)]


def test_a_long_file_needs_a_reason() -> None:
    text = "x = 1\n" * (rules.MAX_FILE_LINES + 1)
    assert _texts(rules.long_file("a.py", text)) == ["a.py:1: 401 lines, more than 400, without a reason (# long: ...)"]
    assert _texts(rules.long_file("a.py", text[:-6])) == []
    assert _texts(rules.long_file("a.py", "# long: a table\n" + text)) == []
    assert _texts(rules.long_file("a.py", "# long: \n" + text)) != []


def test_a_long_function_needs_a_reason() -> None:
    body = "    x = 1\n" * rules.MAX_FUNCTION_LINES
    assert _texts(rules.long_functions("a.py", "@d\ndef f():\n" + body)) == ["a.py:2: f() has 61 lines, more than 60"]
    assert _texts(rules.long_functions("a.py", "def f():\n" + body[:-10])) == []
    assert _texts(rules.long_functions("a.py", "# long: a table\ndef f():\n" + body)) == []
    assert _texts(rules.long_functions("a.py", "async def f():  # long: a table\n" + body)) == []


def test_printing_and_exiting_are_found() -> None:
    text = "import sys\nprint(1)\nsys.exit(1)\nraise SystemExit(2)\nraise ValueError\nfile.print(1)\n"
    assert _texts(rules.prints_and_exits("unilinux/a.py", text)) == [
        "unilinux/a.py:2: print() in the library",
        "unilinux/a.py:3: sys.exit() in the library",
        "unilinux/a.py:4: SystemExit raised in the library",
    ]
    program = "if __name__ == '__main__':\n    sys.exit(main())\n"
    assert _texts(rules.prints_and_exits("unilinux/a.py", program)) == []
    assert _texts(rules.prints_and_exits("unilinux/cli/a.py", "raise SystemExit(2)")) == []


def test_a_module_without_a_docstring_is_found() -> None:
    assert _texts(rules.missing_docstring("a.py", "x = 1\n")) == ["a.py:1: the module has no docstring"]
    assert _texts(rules.missing_docstring("a.py", '"""What for."""\n')) == []


def test_a_file_without_a_licence_is_found() -> None:
    missing = ["a.py:1: the file begins without SPDX-License-Identifier: and its licence"]
    line = f"# {rules.LICENCE} GPL-2.0-only\n"
    assert _texts(rules.missing_licence("a.py", '"""What for."""\n')) == missing
    assert _texts(rules.missing_licence("a.py", "")) == missing
    assert _texts(rules.missing_licence("a.py", f"import x\n{line}")) == missing
    assert _texts(rules.missing_licence("a.py", f'{line}"""What for."""\n')) == []
    assert _texts(rules.missing_licence("b/x", f"#!/bin/sh\n{line}")) == []
    assert _texts(rules.missing_licence("b/x", "#!/bin/sh\nset -u\n")) != []
    assert _texts(rules.missing_licence("LICENSE", "GNU GENERAL PUBLIC LICENSE\n")) == []


def test_an_import_that_nobody_owns_is_found() -> None:
    text = "import os.path\nimport yaml.nodes\nfrom rich.text import Text\nfrom unilinux import x\nfrom . import y\n"
    assert _texts(rules.foreign_imports("a.py", text, frozenset({"rich"}))) == [
        "a.py:2: imports 'yaml', which no contract in pyproject.toml owns",
        "a.py:5: imports '.', which no contract in pyproject.toml owns",
    ]
