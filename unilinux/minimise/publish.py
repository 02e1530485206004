# SPDX-License-Identifier: GPL-2.0-only
"""The profile that a search found: built from nothing, verified, compared, and only then written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from unilinux.core.errors import ConfigError, VerifyError
from unilinux.core.files import write_atomically
from unilinux.core.layout import Layout
from unilinux.image.pipeline import Variant
from unilinux.image.request import Request, make_plan
from unilinux.minimise.boot_test import ImageBootTest
from unilinux.minimise.profile_toml import Finding, profile_text
from unilinux.minimise.search import Job, Outcome

_FINAL_BOOTS = 3


@dataclass(frozen=True, slots=True)
class _Staged(Layout):
    """The same places, but with profiles of its own."""

    staged: Path

    @property
    def profiles(self) -> Path:
        return self.staged


def publish_profile(job: Job, outcome: Outcome, *, evidence: Callable[[Path], Path]) -> Path:
    """Write the profile below ``configs/profiles`` when it holds what was found.

    ``evidence`` makes the folder for the boots' logs from the image's.

    A profile of that name that is there already stays as it is until the new one has passed all checks.

    :raise VerifyError: an image built from nothing with this configuration doesn't pass.
    :raise ConfigError: the profile as written makes another configuration than the one that was found.
    """
    finding = outcome.finding
    _require_verified(job, outcome, evidence)
    text = profile_text(finding)
    _require_same_config(job, finding, text)
    path = job.pipeline.layout.profiles / f"{finding.name}.toml"
    write_atomically(path, text)
    return path


def _require_verified(job: Job, outcome: Outcome, evidence: Callable[[Path], Path]) -> None:
    finding = outcome.finding
    variant = Variant(label="minimal", resolved=finding.resolved, changes=finding.shrunk.changes)
    with job.progress.step("build", f"building {finding.name} from nothing"):
        image = job.pipeline.build(job.plan, variant=variant, bzimage=True)  # no trial has made one
    plan = job.plan.forwarding(job.plan.app.manifest.run.ports)
    boot_test = ImageBootTest(plan=plan, engine=job.engine, evidence=evidence(image.folder), tick=None)
    for number in range(1, _FINAL_BOOTS + 1):
        result = boot_test.run(image.vmlinux, timeout_s=outcome.baseline.timeout_s)
        if not result.ok:
            raise VerifyError(
                f"the kernel that was found does not pass when it is built from nothing "
                f"(boot {number} of {_FINAL_BOOTS})",
                details=[result.failure],
                hint=f"no profile was written; the image is {image.folder}",
            )


def _require_same_config(job: Job, finding: Finding, text: str) -> None:
    """Read the profile as anybody will read it, and compare what it makes with what was found."""
    plan, layout = job.plan, job.pipeline.layout
    with tempfile.TemporaryDirectory(prefix="unilinux-profile-") as folder:
        Path(folder, f"{finding.name}.toml").write_text(text, encoding="utf-8")
        request = Request(
            app=plan.app.option, profile=finding.name, target=plan.machine.spec.target, kernel=plan.kernel
        )
        staged = _Staged(project=layout.project, cache=layout.cache, build=layout.build, staged=Path(folder))
        written = job.pipeline.config(replace(make_plan(request, staged), app=plan.app))
    if written.config == finding.resolved.config:
        return
    names = sorted(written.symbols.keys() | finding.resolved.symbols.keys())
    raise ConfigError(
        f"the profile {finding.name} would make another configuration than the one that was found",
        details=[
            f"{name}: {finding.resolved.value(name)} → {written.value(name)}"
            for name in names
            if written.value(name) != finding.resolved.value(name)
        ],
        hint="no profile was written; this is a fault of UniLinux: please report it with these lines",
    )
