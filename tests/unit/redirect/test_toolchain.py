"""The tool chain: what its key counts, and that its wrapper compiles with what lies beside it and nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from unilinux.core.errors import ManifestError
from unilinux.redirect.toolchain import PREFIX, musl_series, read_toolchain

PROJECT = Path(__file__).parents[3]
DATA = PROJECT / "unilinux" / "redirect" / "data"


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prefix with a C library of one function, in a folder whose name has a space."""
    root = tmp_path_factory.mktemp("toolchain") / "a place"
    for name in ("bin", "include", "lib"):
        (root / name).mkdir(parents=True)
    compiler = root / "bin" / f"{PREFIX}gcc"
    compiler.write_bytes((DATA / "compiler.sh").read_bytes())
    compiler.chmod(0o755)
    (root / "lib" / "musl.specs").write_bytes((DATA / "musl.specs").read_bytes())
    (root / "include" / "stdio.h").write_text("#define FROM_PREFIX 1\n")
    subprocess.run(["ar", "rc", root / "lib" / "libc.a"], check=True)
    sources = {
        "crt1": '__asm__(".globl _start\\n_start: xor %edi,%edi\\n mov $60,%eax\\n syscall");',
        "crti": "",
        "crtn": "",
    }
    for name, text in sources.items():
        subprocess.run(["gcc", "-xc", "-", "-c", "-o", root / "lib" / f"{name}.o"], input=text.encode(), check=True)
    return root


def cc(prefix: Path, *arguments: str, source: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Call the wrapper by its name, as build steps do."""
    (cwd / "a.c").write_text(source)
    path = f"{prefix / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        [f"{PREFIX}gcc", *arguments], cwd=cwd, env={"PATH": path, **env}, capture_output=True, text=True, check=False
    )


def test_links_a_static_program_from_the_prefix(prefix: Path, tmp_path: Path) -> None:
    source = "#include <stdio.h>\n#ifndef FROM_PREFIX\n#error host\n#endif\nint main(void) { return 0; }\n"
    done = cc(prefix, "-o", "a", "a.c", source=source, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    header = (tmp_path / "a").read_bytes()[:18]
    assert header[16] == 2, "ELF type EXEC: static, not position-independent"
    assert subprocess.run([tmp_path / "a"], check=False).returncode == 0
    assert b"GNU\0" not in (tmp_path / "a").read_bytes().split(b".shstrtab")[0][-4096:], "no build id"


def test_headers_of_the_host_are_not_found(prefix: Path, tmp_path: Path) -> None:
    done = cc(prefix, "-c", "a.c", source="#include <stdlib.h>\n", cwd=tmp_path)
    assert "stdlib.h: No such file" in done.stderr


def test_headers_of_the_compiler_are_found(prefix: Path, tmp_path: Path) -> None:
    done = cc(prefix, "-c", "a.c", source="#include <stdarg.h>\n#include <stddef.h>\n", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_names_of_build_folder_and_prefix_do_not_show(prefix: Path, tmp_path: Path) -> None:
    (prefix / "include" / "where.h").write_text("static const char *header = __FILE__;\n")
    source = "#include <where.h>\nconst char *f(void) { return header; }\nconst char *g(void) { return __FILE__; }\n"
    work = tmp_path / "work"
    work.mkdir()
    done = cc(prefix, "-c", f"{work}/a.c", source=source, cwd=work, UNILINUX_BUILD_FOLDER=str(work))
    assert done.returncode == 0, done.stderr
    made = (work / "a.o").read_bytes()
    assert str(tmp_path).encode() not in made
    assert str(prefix).encode() not in made
    assert b"/musl/include/where.h" in made
    assert b"./a.c" in made


def test_shared_and_relocatable_can_be_asked_for(prefix: Path, tmp_path: Path) -> None:
    source = "int f(void) { return 1; }\n"
    shared = cc(prefix, "-shared", "-fPIC", "-o", "a.so", "a.c", source=source, cwd=tmp_path)
    assert shared.returncode == 0, shared.stderr
    assert (tmp_path / "a.so").read_bytes()[16] == 3
    merged = cc(prefix, "-r", "-nostdlib", "-o", "r.o", "a.c", source=source, cwd=tmp_path)
    assert merged.returncode == 0, merged.stderr
    assert (tmp_path / "r.o").read_bytes()[16] == 1


def test_shipped_document_holds() -> None:
    spec = read_toolchain(PROJECT / "configs" / "toolchains.toml")
    assert spec.version == "1.2.3"


def test_wrong_digest_form_is_named(tmp_path: Path) -> None:
    path = tmp_path / "toolchains.toml"
    path.write_text('schema = 1\n[musl]\nversion = "1"\npackage = "musl"\nfile = "musl.tar"\nsha256 = "abc"\n')
    with pytest.raises(ManifestError) as caught:
        read_toolchain(path)
    assert "toolchains.toml:6: musl.sha256: " in caught.value.details[0]


def test_series_is_optional_and_ordered(tmp_path: Path) -> None:
    assert musl_series(tmp_path) == ()
    (tmp_path / "series").write_text("# comment\n0002-b.patch\n0001-a.patch # why\n\n")
    assert musl_series(tmp_path) == (tmp_path / "0002-b.patch", tmp_path / "0001-a.patch")
