# SPDX-License-Identifier: GPL-2.0-only
"""The digest of the code that makes a step's output: found by following imports, not listed by hand.

A module counts with all modules of this package that it imports, directly or through others,
wherever in the module the import stands. It counts by its syntax tree without docstrings,
so that neither a comment nor a better description builds anything again. So do the files beside it that aren't
Python: C sources, templates and scripts, alone or in a folder, whose name is a text in the module.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

import unilinux
from unilinux.core.errors import HostError
from unilinux.core.files import digest_file, write_atomically

# What no byte of an output depends on, so that its changes build nothing again. All else counts.
UNCOUNTED = frozenset(
    {
        "unilinux",  # the version's number
        "unilinux.core.ccache",  # takes compiled objects away
        "unilinux.core.code",  # what it finds out is in the key itself
        "unilinux.core.errors",  # an error makes no output
        "unilinux.core.events",  # what is told of a step
        "unilinux.core.eviction",  # takes outputs away
        "unilinux.core.hosttools",  # what it finds out is in the key itself
        "unilinux.core.layout",  # where the cache is: outputs hold no paths
        "unilinux.core.leases",  # who uses an output
        "unilinux.core.localstore",  # keeps what the actions made
        "unilinux.core.locks",  # who waits for whom
        "unilinux.core.snapshot",  # what it finds out is in the key itself
        "unilinux.core.store",  # the same as localstore
        "unilinux.core.suggest",  # texts of errors
        "unilinux.fetch.apt",  # brings files whose digest is in the key
        "unilinux.fetch.fetcher",  # the same
    }
)

_FRESH_NS = 200_000_000  # a file may change again within the same tick of the file system's clock
_MODULE = re.compile(r"[a-z_]\w*(\.[a-z_]\w*)+")
_FILE = re.compile(r"\w[\w.-]{0,99}")
_FUNCTIONS = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class _Unit:
    """One module: its signature when it was read, the digest of its syntax tree, the modules that it imports.

    ``programs`` are modules that it runs in processes of their own, ``beside`` the files and folders beside it
    that it names. A file that isn't Python is a unit with a digest only.
    """

    signature: tuple[int, ...]
    digest: str
    imports: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


class CodeDigests:
    """Digests of modules below ``package``, a folder; remembered in the file ``memory``.

    :param started_ns: when this process began to load them: what changed later isn't what runs.
    """

    def __init__(self, package: Path, memory: Path, *, started_ns: int) -> None:
        self._package = package
        self._memory = memory
        self._started_ns = started_ns
        self._known = _remembered(memory)
        self._units: dict[str, _Unit | None] = {}
        self._paths: dict[str, Path | None] = {}
        self._read_now: dict[str, _Unit] = {}
        self._loaded: set[str] = set()

    def of(self, action: Callable[..., object]) -> str:
        """The digest for a function: that of the module that it stands in, with all that this imports.

        :raise HostError: such a file was changed since this process began.
        """
        module = _module_of(action)
        if module.split(".")[0] != self._package.name:
            return ""
        lines = [f"{name} {self._unit(name).digest}" for name in self.closure(module)]  # type: ignore[union-attr]
        self._remember()
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def closure(self, module: str) -> tuple[str, ...]:
        """The names of a module and of all that it needs, sorted, without :data:`UNCOUNTED`.

        A file that isn't Python has its path for a name, ``demo/data/main.c``.
        """
        return self._closure([module])

    def _closure(self, waiting: list[str]) -> tuple[str, ...]:
        found: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in found or name in UNCOUNTED or (unit := self._unit(name)) is None:
                continue
            found.add(name)
            waiting += (*unit.imports, *unit.programs, *self._beside(name, unit))
        return tuple(sorted(found))

    def require_unchanged(self, action: Callable[..., object]) -> None:
        """See that what was loaded after :meth:`of` is what that read: by late imports, and by other processes.

        :raise HostError: it isn't.
        """
        module = _module_of(action)
        if module.split(".")[0] != self._package.name:
            return
        closure = self.closure(module)
        programs = [name for one in closure for name in self._units[one].programs]  # type: ignore[union-attr]
        for name in {*closure} - self._loaded | {*self._closure(programs)}:
            unit, path = self._units[name], self._path(name)
            if unit is None or path is None or _signature(path) != unit.signature:
                raise _changed(path or self._package)

    def _beside(self, name: str, unit: _Unit) -> Iterator[str]:
        """The files that a module names. Folders are looked into each time: a new file counts at once."""
        if unit.beside and (path := self._path(name)):
            for one in unit.beside:
                yield from (file.relative_to(self._package.parent).as_posix() for file in _files(path.parent / one))

    def _unit(self, name: str) -> _Unit | None:
        if name not in self._units:
            path = self._path(name)
            if name in sys.modules:
                self._loaded.add(name)
            self._units[name] = None if path is None else self._read(name, path)
        return self._units[name]

    def _read(self, name: str, path: Path) -> _Unit:
        signature = _signature(path)
        if signature[-1] > self._started_ns:
            raise _changed(path)
        known = self._known.get(str(path))
        if known is not None and known.signature == signature:
            return known
        self._read_now[str(path)] = unit = _parsed(path, name, signature)
        return unit

    def _path(self, name: str) -> Path | None:
        if name not in self._paths:
            base = self._package.parent.joinpath(*name.split("."))
            file = self._package.parent / name
            candidates = (file,) if "/" in name else (base.with_suffix(".py"), base / "__init__.py")
            self._paths[name] = next((path for path in candidates if path.is_file()), None)
        return self._paths[name]

    def _remember(self) -> None:
        """Keep what was read now, beside what other checkouts that share the cache have kept."""
        now = time.time_ns()
        new = {path: unit for path, unit in self._read_now.items() if unit.signature[-1] < now - _FRESH_NS}
        self._read_now.clear()
        if new:
            others = _remembered(self._memory).items()
            self._known = {path: unit for path, unit in others if os.path.exists(path)} | new
            write_atomically(self._memory, json.dumps({path: astuple(unit) for path, unit in self._known.items()}))


@functools.cache
def loaded_code(memory: Path) -> CodeDigests:
    """The digests of this package's code, as this process loaded it: what is changed on the disk later has no say."""
    return CodeDigests(Path(unilinux.__file__).parent, memory, started_ns=unilinux.LOADED_NS)


@functools.cache
def _parsed(path: Path, name: str, signature: tuple[int, ...]) -> _Unit:
    if "/" in name:
        return _Unit(signature, digest_file(path))
    tree = ast.parse(path.read_bytes(), filename=str(path))
    package = name.split(".", maxsplit=1)[0]
    imports = {one for one in _imports(tree, name) if one.split(".")[0] == package}
    texts = {*_texts(tree)}
    programs = {one for one in texts if _MODULE.fullmatch(one) and one.split(".")[0] == package}
    beside = {one for one in texts if _FILE.fullmatch(one) and _files(path.parent / one)}
    return _Unit(signature, _digest(tree), tuple(sorted(imports)), tuple(sorted(programs)), tuple(sorted(beside)))


def _module_of(action: Callable[..., object]) -> str:
    while isinstance(action, functools.partial):
        action = action.func
    return str(getattr(action, "__module__", None) or type(action).__module__)


def _signature(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _changed(path: Path) -> HostError:
    return HostError(
        f"{path} was changed while UniLinux was running: what is loaded is not what is on the disk",
        hint="run the same command again",
    )


def _remembered(memory: Path) -> Mapping[str, _Unit]:
    try:
        document = json.loads(memory.read_bytes())
        return {
            str(path): _Unit(
                tuple(map(int, signature)),
                str(digest),
                imports=tuple(map(str, imports)),
                programs=tuple(map(str, programs)),
                beside=tuple(map(str, beside)),
            )
            for path, (signature, digest, imports, programs, beside) in document.items()
        }
    except (OSError, ValueError, AttributeError, TypeError):  # none yet, or damaged: found out anew
        return {}


def _digest(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTIONS) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _imports(tree: ast.Module, name: str) -> Iterator[str]:
    """Dotted names that may be modules, of imports that aren't for types alone."""
    yield from (name.rsplit(".", count)[0] for count in range(1, name.count(".") + 1))  # the packages it lies in
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                waiting += node.orelse
                continue
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield module
                yield from (f"{module}.{alias.name}" for alias in names)
            case _:
                pass
        waiting += ast.iter_child_nodes(node)


def _texts(tree: ast.Module) -> Iterator[str]:
    """Texts, which may name a module to be run, ``python -m unilinux.kconfig.worker``, or a file beside."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _files(path: Path) -> list[Path]:
    """A file, or all in a folder; none where that is Python code, which counts by being imported."""
    if path.is_dir():
        is_code = (path / "__init__.py").exists()
        return [] if is_code else sorted(one for one in path.rglob("[!.]*") if one.is_file())
    return [path] if path.is_file() and path.suffix != ".py" else []
