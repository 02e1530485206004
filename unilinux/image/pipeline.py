"""From a plan to an image: the graph of steps, each cached by the content of all its inputs.

    kernel source ─► tree ─┬─► headers ─► tool chain ─► application ─┐   (and what is seen in it: scan)
                           ├─► init ─────────────────────────────────┼─► initramfs ─┐
                           └─► configuration ─► objects ─────────────┴──────────────┴─► image

A change in the application leaves the objects alone; a change in the
configuration leaves the application alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from unilinux.app.build import SYMBOLS, build_app
from unilinux.app.init.compile import build_init
from unilinux.app.rootfs import root_files
from unilinux.core.layout import Layout
from unilinux.core.store import Output, Store
from unilinux.fetch.fetcher import Fetcher
from unilinux.image.configuration import resolve_config
from unilinux.image.inspection import Inspection, inspect, system_call_names
from unilinux.image.publish import publish
from unilinux.image.record import Image, make_record
from unilinux.image.request import Plan
from unilinux.kconfig.resolved import Resolved
from unilinux.kernel.kbuild import KernelImage, compile_objects, install_headers, link_image
from unilinux.kernel.source import KernelTree, find_kernel, kernel_tree
from unilinux.link.initramfs import ARCHIVE, pack_initramfs
from unilinux.redirect.toolchain import build_toolchain, read_toolchain

_TOOLCHAINS = Path("configs/toolchains.toml")


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
        """The kernel's configuration for a plan.

        :raise ConfigError: wishes that contradict each other or that Kconfig refuses.
        """
        return resolve_config(plan.layers(self.layout), self.tree(plan.kernel), self.store)

    def build(self, plan: Plan) -> Image:
        """The image, in its folder below ``build/``.

        :raise BuildError: a compiler or linker said no.
        :raise UniLinuxError: as the other steps do.
        """
        tree = self.tree(plan.kernel)
        resolved = resolve_config(plan.layers(self.layout), tree, self.store)
        headers = install_headers(tree, store=self.store)
        built = self._application(plan, headers)
        init = build_init(
            plan.app,
            kernel=tree.path,
            headers=headers.path,
            headers_digest=headers.digest,
            store=self.store,
            gate=plan.entry.gated,
        )
        rootfs = root_files(
            plan.app, built=built, init=init, gate=plan.entry.gated, memory_mib=plan.machine.spec.memory_mib
        )
        names = system_call_names(headers.path)
        inspection = inspect(
            rootfs,
            built,
            plan.entry,
            refuse=plan.profile.entry.privileged == "refuse",
            store=self.store,
            progress=self.store.progress,
        )
        initramfs = pack_initramfs(rootfs, self.store)
        archive = initramfs.path / ARCHIVE
        objects = compile_objects(tree, resolved.config, store=self.store)
        kernel = link_image(tree, objects, archive, store=self.store, syscalls=_kept(plan, inspection, names))
        record = make_record(
            plan,
            kernel=_kernel_record(tree),
            symbols=resolved.count,
            folder=kernel.output.path,
            parts=_part_sizes(kernel, built=built, init=init, archive=archive),
            inputs={output.name: output.digest for output in (*self.store.outputs,)},
            inspection=inspection.to_json(names),
        )
        folder = publish(kernel, resolved, record, self.layout.build / plan.name)
        return Image(plan=plan, folder=folder, record=record, steps=tuple(self.store.outputs))

    def _application(self, plan: Plan, headers: Output) -> Output:
        spec = read_toolchain(self.layout.project / _TOOLCHAINS)
        toolchain = build_toolchain(
            spec,
            tarball=self.fetcher.debian_source_file(spec.package, spec.file, spec.sha256),
            headers=headers.path,
            headers_digest=headers.digest,
            patches=self.layout.project / "patches" / f"musl-{spec.version}",
            store=self.store,
            jobs=self.jobs,
        )
        tarballs = {
            tarball.file: self.fetcher.debian_source_file(tarball.package, tarball.file, tarball.sha256)
            for tarball in plan.app.manifest.source.tarballs
        }
        return build_app(plan.app, tarballs=tarballs, toolchain=toolchain, store=self.store, jobs=self.jobs)


def _kernel_record(tree: KernelTree) -> Mapping[str, object]:
    return {
        "version": tree.release,
        "source": tree.origin,
        "sha256": tree.origin_sha256,
        "series": tree.series.name,
        "series_digest": tree.series.digest,
        "patches": [patch.name for patch in tree.series.patches],
    }


def _kept(plan: Plan, inspection: Inspection, names: Mapping[int, str]) -> tuple[int, ...]:
    """What the kernel's list has; none is read for a kernel that has no list."""
    if plan.entry.kept == "all":
        return ()
    return tuple(names) if inspection.kept is None else inspection.kept


def _part_sizes(kernel: KernelImage, *, built: Output, init: Output, archive: Path) -> Mapping[str, int]:
    """Sizes in bytes of what the image is made of."""
    application = sum(
        path.stat().st_size
        for path in built.path.rglob("*")
        if path.is_file() and not path.is_relative_to(built.path / SYMBOLS)
    )
    return {
        "application": application,
        "init": (init.path / "init").stat().st_size,
        "initramfs": archive.stat().st_size,
        "vmlinux": kernel.vmlinux.stat().st_size,
        "bzImage": kernel.bzimage.stat().st_size,
    }
