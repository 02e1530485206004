# SPDX-License-Identifier: GPL-2.0-only
"""Applications: manifest, catalogue, build, configuration files, init and the tree of the image.

In the order in which an image is made::

    app = Catalogue(layout.apps).find("nginx")                        # catalogue.py, manifest.py, checks.py
    materials = app.manifest.source.obtain(app.folder, fetcher)            # unilinux.sources
    built = build_app(app, materials, toolchain=…, store=…, jobs=2)        # build.py, built.py
    init = build_init(app, kernel=…, headers=…, headers_digest=…, store=…)   # init/compile.py
    tree = root_files(app, built=built, init=init)                         # rootfs.py, render.py

``unilinux.link`` packs the tree.
"""
