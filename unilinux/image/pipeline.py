# SPDX-License-Identifier: GPL-2.0-only
"""From a plan to an image: the graph of steps, each cached by the content of all its inputs.

    kernel source ─► tree ─┬─► headers ─► tool chain ─► application ─┐   (and what is seen in it: scan)
                           ├─► init ─────────────────────────────────┼─► carrier ───┐
                           └─► configuration ─► objects ─────────────┴──────────────┴─► image

A change in the application leaves the objects alone; a change in the
configuration leaves the application alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unilinux.app.build import build_app
from unilinux.app.built import GATE, SYMBOLS
from unilinux.app.identity import identity
from unilinux.app.init.compile import build_init
from unilinux.app.linkage import require_startable
from unilinux.app.rootfs import root_files, with_init
from unilinux.core.errors import UsageError
from unilinux.core.layout import Layout
from unilinux.core.store import Output, Store
from unilinux.core.tree import Tree
from unilinux.fetch.fetcher import Fetcher
from unilinux.image.absent_calls import absent_calls, notes_on
from unilinux.image.configuration import resolve_config
from unilinux.image.inspection import Inspection, inspect, system_call_names
from unilinux.image.packing import is_large
from unilinux.image.publish import has_bzimage, publish
from unilinux.image.record import ARTIFACTS, ROOT, Image, make_record
from unilinux.image.request import Plan
from unilinux.image.rewriting import Rewriting, rewrite_files
from unilinux.kconfig.resolved import Resolved
from unilinux.kernel.kbuild import compile_objects, install_headers
from unilinux.kernel.link import BZIMAGE, KernelImage, link_image, make_bzimage
from unilinux.kernel.nearest import difference_from_known
from unilinux.kernel.source import KernelTree, find_kernel, kernel_tree
from unilinux.link.carrier import Cargo
from unilinux.link.erofs import Erofs
from unilinux.redirect.toolchain import build_toolchain, read_toolchain
from unilinux.sources.tools import unpack_tools

_TOOLCHAINS = Path("configs/toolchains.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What goes into a kernel: the built application, init, the image's ``files``, and ``cargo``, these as packed.

    ``plan`` is the one that they were made for, with the carrier that was chosen and the disk that it made.

    ``source`` tells where the application came from.

    ``inspection`` is what was seen in its programs, ``rewriting`` what became of the system calls of those
    that others have linked, ``system_calls`` names those of the kernel by their numbers.
    """

    plan: Plan
    source: Mapping[str, Any]
    built: Output
    init: Output
    files: Tree
    cargo: Cargo
    inspection: Inspection
    rewriting: Rewriting
    system_calls: Mapping[int, str]

    @property
    def initrd(self) -> Path:
        """The files in the form that a boot loader hands over.

        :raise UsageError: their carrier has no such form.
        """
        if self.cargo.initrd is None:
            raise UsageError("the files of this image can't be handed to another kernel: they aren't in an initramfs")
        return self.cargo.initrd

    @property
    def kept(self) -> tuple[int, ...]:
        """The system calls that stay; a kernel without ``UNILINUX_SYSCALLS`` doesn't read them."""
        return tuple(self.system_calls) if self.inspection.kept is None else self.inspection.kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A configuration to build a plan with in place of its own.

    ``label`` is added to the image's name, ``changes`` are the symbols whose values
    were asked to be others; see :mod:`unilinux.kconfig.variation`.
    """

    label: str
    resolved: Resolved
    changes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Builds images. ``jobs`` is how many compilers may run at once."""

    layout: Layout
    store: Store
    fetcher: Fetcher
    jobs: int

    def tree(self, kernel: str | None = None) -> KernelTree:
        """The patched source tree of a kernel; None is the usual one.

        :raise DownloadError: the source could not be had.
        :raise PatchError: the series doesn't apply.
        """
        return kernel_tree(find_kernel(self.layout, kernel), fetcher=self.fetcher, store=self.store)

    def config(self, plan: Plan) -> Resolved:
        """The kernel's configuration for a plan, with the carrier that it has; see :meth:`packed`.

        :raise ConfigError: wishes that contradict each other or that Kconfig refuses.
        """
        return resolve_config(plan.layers(self.layout), self.tree(plan.kernel), self.store)

    def contents(self, plan: Plan) -> Contents:
        """The application and its init, built and packed; the kernel's configuration has no part in them.

        :raise BuildError: a compiler or linker said no.
        :raise UniLinuxError: as the other steps do.
        """
        tree = self.tree(plan.kernel)
        headers = install_headers(tree, store=self.store)
        materials = plan.app.manifest.source.obtain(plan.app.folder, self.fetcher)
        toolchain = self._toolchain(headers) if plan.app.manifest.build else None
        packages = plan.app.manifest.build.packages if plan.app.manifest.build else ()
        built = build_app(
            plan.app,
            materials,
            toolchain=toolchain,
            tools=unpack_tools(packages, fetcher=self.fetcher, store=self.store) if packages else None,
            store=self.store,
            jobs=self.jobs,
        )
        init, rootfs = self._laid_out(plan, tree, headers, built)
        if not plan.settled and is_large(rootfs, plan.machine.spec.memory_mib):
            plan = plan.packed(Erofs())
            self.store.progress.note("the image's files are large: they go on a disk, as with --pack erofs")
            init, rootfs = self._laid_out(plan, tree, headers, built)
        require_startable(rootfs, plan.app.manifest.run.argv[0], plan.app.path)
        rewriting = rewrite_files(rootfs, plan.app, built=built, entry=plan.entry, store=self.store)
        inspection = inspect(
            rootfs,
            built,
            plan.entry,
            refuse=plan.profile.entry.privileged == "refuse",
            replaced=rewriting.replaced,
            store=self.store,
            progress=self.store.progress,
        )
        cargo = _require_room(plan, plan.carrier.pack(rewriting.files, self.store))
        return Contents(
            plan=plan if cargo.disk is None else plan.with_root(cargo.disk),
            source=materials.facts,
            built=built,
            init=init,
            files=rewriting.files,
            cargo=cargo,
            inspection=inspection,
            rewriting=rewriting,
            system_calls=system_call_names(headers.path),
        )

    def _laid_out(self, plan: Plan, tree: KernelTree, headers: Output, built: Output) -> tuple[Output, Tree]:
        """Init for a plan, and the files of the image with it."""
        files = root_files(
            plan.app,
            built=built,
            way_of=plan.entry.way_of,
            memory_mib=plan.files_memory_mib,
            nameserver=plan.machine.target.network.name_server,
            mounted=plan.mounted,
        )
        init = build_init(
            plan.app,
            kernel=tree.path,
            headers=headers.path,
            headers_digest=headers.digest,
            store=self.store,
            gate=plan.entry.way_of(plan.app.manifest.main) == GATE,
            mounted=plan.mounted,
            on_disk=plan.carrier.is_disk,
            identity=identity(plan.app, files),
        )
        return init, with_init(files, init)

    def objects(self, plan: Plan, tree: KernelTree, resolved: Resolved) -> Output:
        """The compiled kernel that a plan's files can be linked with.

        :raise BuildError: with the compiler's own lines.
        """
        carrier = plan.carrier
        return compile_objects(
            tree,
            resolved.config,
            required=carrier.wishes,
            placeholders=carrier.placeholders,
            store=self.store,
            reason=lambda: difference_from_known(resolved.config, self._known_configurations()),
        )

    def _known_configurations(self) -> Mapping[str, str]:
        """Those of the images below ``build/``, by their names."""
        found = {}
        for path in self.layout.build.glob(f"*/{ARTIFACTS['config']}"):
            try:
                found[path.parent.name] = path.read_text(encoding="utf-8")
            except OSError:  # just being replaced or removed
                continue
        return found

    def packed(self, plan: Plan) -> Plan:
        """The plan with its carrier: where that isn't decided, the application is built to see its size.

        :raise UniLinuxError: as building it does.
        """
        return plan if plan.settled else self.contents(plan).plan

    def link(self, tree: KernelTree, objects: Output, cargo: Cargo, syscalls: Sequence[int]) -> KernelImage:
        """The finished kernel, with these system calls kept if it leaves out any.

        :raise BuildError: with the linker's own lines.
        """
        digest = cargo.digest if cargo.files else ""  # a kernel whose files are on a disk is the same for all of them
        return link_image(tree, objects, cargo.files, digest=digest, store=self.store, syscalls=syscalls)

    def bzimage(self, tree: KernelTree, objects: Output, kernel: KernelImage) -> Path:
        """The finished kernel as a bzImage, for other loaders than QEMU's.

        :raise BuildError: with the compiler's own lines.
        """
        return make_bzimage(tree, objects, kernel, store=self.store).path / BZIMAGE

    def build(self, plan: Plan, *, variant: Variant | None = None, bzimage: bool = False) -> Image:
        """The image, in its folder below ``build/``.

        :param variant: build the plan with that configuration, in a folder of its own; no profile is written.
        :param bzimage: make a bzImage, too. It takes longer than the link, and QEMU doesn't need it. One
            that is there already is brought up to date only if it is of the same vmlinux, else removed.

        :raise BuildError: a compiler or linker said no.
        :raise UniLinuxError: as the other steps do.
        """
        before = len(self.store.outputs)
        tree = self.tree(plan.kernel)
        resolved = variant.resolved if variant else resolve_config(plan.layers(self.layout), tree, self.store)
        contents = self.contents(plan)
        if contents.plan.carrier != plan.carrier and variant is None:
            resolved = resolve_config(contents.plan.layers(self.layout), tree, self.store)
        plan = contents.plan
        absent = absent_calls(contents.inspection.scans, resolved, contents.system_calls)
        for line in notes_on(absent):
            self.store.progress.note(line)
        objects = self.objects(plan, tree, resolved)
        kernel = self.link(tree, objects, contents.cargo, contents.kept)
        name = f"{plan.name}-{variant.label}" if variant else plan.name
        files = {one: kernel.output.path / file for one, file in ARTIFACTS.items() if one not in (BZIMAGE, ROOT)}
        if bzimage or plan.machine.target.boots == BZIMAGE or has_bzimage(self.layout.build / name, kernel.vmlinux):
            files[BZIMAGE] = self.bzimage(tree, objects, kernel)
        if contents.cargo.disk is not None:
            files[ROOT] = contents.cargo.disk
            plan = plan.with_root(self.layout.build / name / ARTIFACTS[ROOT])
        record = make_record(
            plan,
            name=name,
            source=contents.source,
            kernel=_kernel_record(tree),
            symbols=resolved.count,
            files=files,
            parts=_part_sizes(plan, contents, files),
            inputs=_inputs(self.store.outputs[before:]),
            inspection={
                **contents.inspection.to_json(contents.system_calls),
                "absent_system_calls": [asdict(one) for one in absent],
                "rewritten": contents.rewriting.to_json(),
            },
        )
        if variant is not None:
            # No command line makes it.
            record |= {"varied": dict(variant.changes), "reproduce": None}
        folder = publish(
            files,
            resolved,
            record,
            self.layout.build / name,
            rewritten=[report.to_json() for report in contents.rewriting.reports],
        )
        return Image(plan=plan, folder=folder, record=record, steps=tuple(self.store.outputs))

    def _toolchain(self, headers: Output) -> Output:
        spec = read_toolchain(self.layout.project / _TOOLCHAINS)
        return build_toolchain(
            spec,
            tarball=self.fetcher.debian_source_file(spec.package, spec.file, spec.sha256),
            headers=headers.path,
            headers_digest=headers.digest,
            patches=self.layout.project / "patches" / f"musl-{spec.version}",
            store=self.store,
            jobs=self.jobs,
        )


def _require_room(plan: Plan, cargo: Cargo) -> Cargo:
    """See that the files can be in memory twice, as they are while the kernel unpacks them.

    :raise UsageError: they can't, whatever else is in it.
    """
    memory_mib, least_mib = plan.machine.spec.memory_mib, 2 * cargo.size_bytes / (1 << 20)
    if cargo.initrd is not None and least_mib > memory_mib:
        raise UsageError(
            f"the image's files have {least_mib / 2:,.0f} MiB and are in memory twice while the kernel unpacks them: "
            f"{memory_mib:,} MiB are too little",
            hint=f"--pack erofs; or --memory with more than {least_mib:,.0f}, or run.memory_mib in {plan.app.path}",
        )
    return cargo


def _kernel_record(tree: KernelTree) -> Mapping[str, object]:
    return {
        "version": tree.release,
        "source": tree.origin,
        "sha256": tree.origin_sha256,
        "series": tree.series.name,
        "series_digest": tree.series.digest,
        "patches": [patch.name for patch in tree.series.patches],
    }


def _inputs(outputs: Iterable[Output]) -> Mapping[str, str]:
    """Digests of the steps' outputs; where several steps have one name, each has its key's beginning with it."""
    distinct = {(output.name, output.key): output.digest for output in outputs}
    counted = Counter(name for name, _ in distinct)
    return {
        name if counted[name] == 1 else f"{name} {key[:12]}": digest for (name, key), digest in sorted(distinct.items())
    }


def _part_sizes(plan: Plan, contents: Contents, files: Mapping[str, Path]) -> Mapping[str, int]:
    """Sizes in bytes of what the image is made of."""
    built = contents.built.path
    own = (path for path in built.rglob("*") if path.is_file() and not path.is_relative_to(built / SYMBOLS))
    application = sum(path.stat().st_size for path in own)
    return {
        "application": application,
        "init": (contents.init.path / "init").stat().st_size,
        plan.carrier.name: contents.cargo.size_bytes,
        **{name: files[name].stat().st_size for name in ("vmlinux", BZIMAGE) if name in files},
    }
