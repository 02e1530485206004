# SPDX-License-Identifier: GPL-2.0-only
"""Where applications come from: one module for each kind of source.

A kind is a subclass of :class:`unilinux.sources.source.Source` in a module of its own
and a line in :data:`unilinux.sources.registry.KINDS`; nothing else names it.
"""
