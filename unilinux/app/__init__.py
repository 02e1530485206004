# SPDX-License-Identifier: GPL-2.0-only
"""Applications: manifest, catalogue, build, configuration files, init and the tree of the image.

In the order in which an image is made::

    app = Catalogue(layout.apps).find("nginx")                        # catalogue.py, manifest.py, checks/
    materials = app.manifest.source.obtain(app.folder, fetcher)            # unilinux.sources
    built = build_app(app, materials, toolchain=…, store=…, jobs=2)        # build.py, built.py
    files = root_files(app, built=built, …)                                # rootfs.py, render.py
    init = build_init(app, …, identity=identity(app, files))               # identity.py, init/compile.py
    tree = with_init(files, init)

``unilinux.link`` packs the tree.
"""
