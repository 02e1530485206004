# SPDX-License-Identifier: GPL-2.0-only
"""Observing what an application uses of the kernel, on a kernel that has more than it needs."""

from __future__ import annotations

import json
from dataclasses import replace

from unilinux.core.files import write_atomically
from unilinux.image.request import Request, make_plan
from unilinux.observe.observe import USAGE_FILE, Observation
from unilinux.observe.usage import Usage
from unilinux.ops.build import build_image
from unilinux.ops.evidence import evidence_folder
from unilinux.ops.workshop import Workshop

# What an application does on a kernel that lacks something says nothing of what it would use.
GENEROUS = "server"


def observe(here: Workshop, request: Request) -> Usage:
    """What an application uses, in ring 3; it is also written to ``build/APP-PROFILE/observed.json``.

    Without a profile the kernel is that of :data:`GENEROUS`.

    :raise UniLinuxError: as building and :meth:`Observation.run` do.
    """
    generous = replace(request, profile=request.profile or GENEROUS, ring=3, syscall="trap")
    plan = make_plan(generous, here.layout)
    plan = plan.forwarding(plan.app.manifest.run.ports)
    image = build_image(here, plan)
    usage = Observation(
        image=image,
        engine=here.engine("tcg"),
        evidence=evidence_folder(image.folder, "observe"),
        store=here.new_store(),
    ).run()
    path = here.layout.build / f"{plan.app.word}-{plan.profile.name}" / USAGE_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(usage.document(), indent=1) + "\n")
    return usage
