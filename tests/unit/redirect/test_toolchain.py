# SPDX-License-Identifier: GPL-2.0-only
"""The tool chain: what its key counts, and that its wrapper compiles with what lies beside it and nothing else."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
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
    for name in ("bin", "include", "lib/gate", "libexec"):
        (root / name).mkdir(parents=True)
    compiler = root / "bin" / f"{PREFIX}gcc"
    compiler.write_bytes((DATA / "compiler.sh").read_bytes())
    compiler.chmod(0o755)
    linker = root / "libexec" / "ld"
    linker.write_bytes((DATA / "linker.sh").read_bytes())
    linker.chmod(0o755)
    (root / "lib" / "musl.specs").write_bytes((DATA / "musl.specs").read_bytes())
    (root / "include" / "stdio.h").write_text("#define FROM_PREFIX 1\n")
    for folder, way in (("lib", "trap"), ("lib/gate", "gate")):
        text = f'const char *way(void) {{ return "by {way}"; }}'
        subprocess.run(["gcc", "-xc", "-", "-c", "-o", root / "way.o"], input=text.encode(), check=True)
        subprocess.run(["ar", "rc", root / folder / "libc.a", "way.o"], cwd=root, check=True, capture_output=True)
    sources = {
        "crt1": "extern int main(void); const char *way(void); const char *(*way_of_libc)(void) = way;"
        '__asm__(".text\\n.globl _start\\n_start: mov way_of_libc(%rip), %rax\\n"'
        '"call main\\n mov %eax,%edi\\n mov $60,%eax\\n syscall");',
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


MAIN = "int main(void) { return 7; }\n"


def linked(folder: Path) -> list[bytes]:
    """The programs for the gate that a folder has, each once."""
    return [path.read_bytes() for path in sorted(folder.iterdir()) if not path.is_symlink()]


def run(prefix: Path, tmp_path: Path, *arguments: str, source: str = MAIN, **env: str) -> Path:
    """Compile as a build step does, in a folder of its own; the folder with the programs for the gate."""
    work, links = tmp_path / "work", tmp_path / "links"
    for folder in (work, links):
        folder.mkdir(exist_ok=True)
    done = cc(prefix, *arguments, source=source, cwd=work, UNILINUX_LINKS=str(links), **env)
    assert done.returncode == 0, done.stderr
    return links


@pytest.mark.parametrize(
    "arguments",
    [
        ("-MMD", "-MF", "a.d"),
        ("-MD", "-MP"),
        ("-fPIE", "-pie"),
        ("-static-pie",),
        ("-Wl,-pie",),
        ("-flto", "-O2"),
        ("-Wl,--gc-sections", "-Wl,-Map=a.map"),
        ("@options",),
    ],
    ids=" ".join,
)
def test_a_program_is_linked_for_the_gate_as_well_and_nothing_lies_beside_it(
    prefix: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work/options").write_text("-pie -Wl,-Map=a.map")
    links = run(prefix, tmp_path, "-o", "a b", "a.c", *arguments)
    work = tmp_path / "work"
    asked_for = {"options", "a.c", "a b", "a.d", "a b.d", "a-a.d", "a.map"}
    assert {path.name for path in work.iterdir()} <= asked_for
    program = (work / "a b").read_bytes()
    assert (program[16], b"by trap" in program, b"by gate" in program) == (2, True, False)
    (gate,) = linked(links)
    assert (gate[16], b"by trap" in gate, b"by gate" in gate) == (2, False, True)
    assert (links / hashlib.sha256(program).hexdigest()).is_file()
    assert (links / hashlib.sha256(f"{work / 'a b'}\n".encode()).hexdigest()).is_file()
    assert subprocess.run([work / "a b"], check=False).returncode == 7
    if (work / "a.map").exists():
        assert "lib/gate" not in (work / "a.map").read_text()


def test_output_to_dev_null_writes_nowhere_else(prefix: Path, tmp_path: Path) -> None:
    before = set(os.listdir("/dev"))
    assert linked(run(prefix, tmp_path, "-o", "/dev/null", "a.c")) == []
    assert set(os.listdir("/dev")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_output_to_dev_null_works_for_any_user(prefix: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        shutil.copytree(prefix, place / "toolchain")
        (place / "a.c").write_text(MAIN)
        place.chmod(0o755)
        command: list[str | Path] = [place / "toolchain/bin" / f"{PREFIX}gcc", "-o", "/dev/null", place / "a.c"]
        env = {"PATH": os.environ["PATH"]}
        done = subprocess.run(
            command, user=65534, group=65534, cwd="/", env=env, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr


def test_a_source_on_standard_input(prefix: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    path = f"{prefix / 'bin'}:{os.environ['PATH']}"
    subprocess.run(
        [f"{PREFIX}gcc", "-x", "c", "-", "-o", "p"], input=MAIN, text=True, cwd=tmp_path, check=True,
        env={"PATH": path, "UNILINUX_LINKS": str(links)},
    )  # fmt: skip
    assert subprocess.run([tmp_path / "p"], check=False).returncode == 7
    assert len(linked(links)) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c",),
        ("-S",),
        ("-E",),
        ("-r", "-nostdlib", "-o", "r.o"),
        ("-shared", "-fPIC", "-nostdlib", "-o", "a.so"),
        ("-o", "conftest"),
        (),
    ],
    ids=str,
)
def test_what_no_image_takes_is_linked_once(prefix: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert linked(run(prefix, tmp_path, *arguments, "a.c")) == []


def test_a_name_of_trials_counts_if_the_manifest_takes_it(prefix: Path, tmp_path: Path) -> None:
    assert len(linked(run(prefix, tmp_path, "a.c", UNILINUX_PROGRAMS="/b/a.out/"))) == 1


def test_a_program_for_the_gate_can_be_asked_for(prefix: Path, tmp_path: Path) -> None:
    assert linked(run(prefix, tmp_path, "-o", "a", "a.c", UNILINUX_ENTRY="gate")) == []
    assert b"by gate" in (tmp_path / "work/a").read_bytes()


def test_an_error_of_the_linker_is_told_once_and_leaves_nothing(prefix: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    source = "int missing(void);\nint main(void) { return missing(); }\n"
    done = cc(prefix, "-o", "a", "a.c", source=source, cwd=tmp_path, UNILINUX_LINKS=str(links))
    assert done.returncode != 0
    assert done.stderr.count("undefined reference to `missing'") == 1
    assert list(links.iterdir()) == []
    assert not (tmp_path / "a").exists()


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
