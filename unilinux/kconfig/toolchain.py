# SPDX-License-Identifier: GPL-2.0-only
"""The programs that Kconfig and make must agree on, or .config changes between them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from unilinux.arch.architecture import X86_64
from unilinux.core.command import run
from unilinux.core.errors import ConfigError

# The name of the folder, not what make is told: symbols that choose between 32 and 64 bits then have a prompt.
ARCH = X86_64.source_arch


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """The kernel's build tools, under the names of the variables of its Makefile, in lower case.

    Linux asks each of them for its version and abilities while it reads its
    Kconfig files, so the same values must reach make: :attr:`make_arguments`.
    Rust, bindgen and pahole are left out by naming programs that don't exist:
    an image must not change because a host happens to have them.
    """

    cc: str = "gcc"
    ld: str = "ld"
    ar: str = "ar"
    nm: str = "nm"
    objcopy: str = "objcopy"
    objdump: str = "objdump"
    readelf: str = "readelf"
    strip: str = "strip"
    awk: str = "awk"
    python3: str = "python3"
    rustc: str = "unused-rustc"
    bindgen: str = "unused-bindgen"
    pahole: str = "unused-pahole"

    @property
    def variables(self) -> dict[str, str]:
        """Each program by its name in the Makefile."""
        return {field.name.upper(): getattr(self, field.name) for field in fields(self)}

    @property
    def make_arguments(self) -> tuple[str, ...]:
        """What make must be given so that it finds nothing to change in our .config."""
        return (f"ARCH={ARCH}", *(f"{name}={program}" for name, program in self.variables.items()))

    @property
    def deciding(self) -> tuple[str, ...]:
        """The programs whose versions and abilities decide about symbols: they count in the keys of steps."""
        return (_program(self.cc), "as", self.ld, self.ar, self.nm, self.objcopy)


def kernel_version(tree: Path) -> str:
    """The version that a tree's Makefile states, such as ``6.12.117``.

    :raise ConfigError: the folder is no kernel source.
    """
    try:
        text = (tree / "Makefile").read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{tree} is not a kernel source tree: {error.strerror}: {error.filename}") from error
    found = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *=[ \t]*(\S*)", text, re.MULTILINE))
    if not found.get("VERSION") or not found.get("PATCHLEVEL"):
        raise ConfigError(f"{tree}/Makefile states no kernel version: is this a kernel source tree?")
    numbers: list[str] = [found[name] for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL") if found.get(name)]
    return ".".join(numbers) + str(found.get("EXTRAVERSION", ""))


def kconfig_environment(tree: Path, toolchain: Toolchain, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that the kernel's Makefile exports to Kconfig, and nothing else of the host's.

    Only ``PATH`` is taken from ``environ``.

    :raise ConfigError: the folder is no kernel source.
    :raise HostError: the compiler or linker isn't installed.
    """
    return {
        "PATH": environ.get("PATH", "/usr/bin:/bin"),
        "LC_ALL": "C",
        "srctree": str(tree),
        "ARCH": ARCH,
        "SRCARCH": ARCH,
        "KERNELVERSION": kernel_version(tree),
        # Clang's flags and the second compiler of a clang build: empty with gcc.
        "CLANG_FLAGS": "",
        # As the Makefile does: the version text without characters that Kconfig takes for comments.
        "CC_VERSION_TEXT": _version(toolchain.cc).replace("#", ""),
        "RUSTC_VERSION_TEXT": "",
        **toolchain.variables,
    }


def _program(command: str) -> str:
    return command.rsplit(maxsplit=1)[-1]  # "ccache gcc" answers as gcc does


def _version(command: str) -> str:
    program = _program(command)
    lines = run([program, "--version"]).output.splitlines()
    return lines[0] if lines else ""
