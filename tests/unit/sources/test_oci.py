# SPDX-License-Identifier: GPL-2.0-only
"""Container images as a source: what of a layout is taken, and what is damaged or isn't understood."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from tests.unit.debs import Member
from tests.unit.images import (
    CONFIG,
    MANIFEST,
    OCI,
    Layer,
    Layout,
    config_of,
    digest,
    laid_out,
    materials,
    nothing_is_left,
    of_layers,
    saved,
    whiteout,
)
from unilinux.core.errors import BuildError, DownloadError
from unilinux.fetch.fetcher import Fetcher
from unilinux.sources.container import Start, read_image
from unilinux.sources.imageplace import opened
from unilinux.sources.oci import OciSource

NO_FETCHER = cast("Fetcher", None)
AMD64 = {"os": "linux", "architecture": "amd64"}
SETTINGS = {
    "User": "web:101", "ExposedPorts": {"443/udp": {}, "80/tcp": {}, "8080": {}}, "Env": ["A=b=c", "PATH=/bin", "E="],
    "Entrypoint": ["/bin/server"], "Cmd": ["--port", "80"], "Volumes": {"/data": {}}, "WorkingDir": "/srv",
    "StopSignal": "SIGQUIT", "Labels": {"more": "than is read"},
}  # fmt: skip
START = Start(
    entry_point=("/bin/server",),
    command=("--port", "80"),
    env=(("A", "b=c"), ("PATH", "/bin"), ("E", "")),
    cwd="/srv",
    user="web:101",
    ports=((80, "tcp"), (443, "udp"), (8080, "tcp")),
    volumes=("/data",),
    stop_signal="SIGQUIT",
)


def in_folder(home: Path) -> Path:
    layout = Layout()
    return layout.top(layout.image(Layer((Member("a", "a"),)), settings=SETTINGS)).folder(home / "image")


def in_archive(home: Path) -> Path:
    layout = Layout()
    return layout.top(layout.image(Layer((Member("a", "a"),)), settings=SETTINGS)).archive(home / "image.tar")


def by_docker_save(home: Path) -> Path:
    return saved(Layer((Member("a", "a"),)), settings=SETTINGS).archive(home / "image.tar")


def compressed(home: Path) -> Path:
    (home / "image.tar.gz").write_bytes(gzip.compress(by_docker_save(home).read_bytes()))
    return home / "image.tar.gz"


@pytest.mark.parametrize("make", [in_folder, in_archive, by_docker_save, compressed])
def test_each_form_says_the_same(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    place = make(tmp_path)
    with opened(place) as layout:
        image = read_image(layout)
    assert image.start == START
    assert START.argv == ("/bin/server", "--port", "80")
    found = materials(place)
    assert found.inputs == {"image": digest(json.dumps(config_of([Layer((Member("a", "a"),))], SETTINGS)).encode())}
    assert found.facts["start"]["ports"] == ["80/tcp", "443/udp", "8080/tcp"]
    assert json.loads(json.dumps(found.facts)) == found.facts
    assert [entry.path for entry in found.lay_out(tmp_path / "out").entries] == ["/a"]


def test_an_image_that_says_nothing_starts_nothing(tmp_path: Path) -> None:
    layout = Layout()
    with opened(layout.top(layout.image(Layer((Member("a"),)))).folder(tmp_path / "image")) as place:
        assert read_image(place).start == Start()


def test_the_path_may_lie_beside_the_manifest(tmp_path: Path) -> None:
    in_archive(tmp_path)
    source = OciSource(kind="oci", path="image.tar")
    assert source.beside == ("image.tar",)
    assert source.obtain(tmp_path, NO_FETCHER).facts["path"] == "image.tar"


def test_amd64_is_chosen_out_of_nested_indexes(tmp_path: Path) -> None:
    layout = Layout()
    arm = layout.image(Layer((Member("arm"),)), architecture="arm64", platform={"os": "linux", "architecture": "arm64"})
    note = layout.image(Layer((Member("note"),)), platform={"os": "unknown", "architecture": "unknown"})
    amd = layout.image(Layer((Member("amd"),)), platform=AMD64)
    v3 = layout.image(Layer((Member("v3"),)), platform={**AMD64, "variant": "v3"})
    assert set(laid_out(tmp_path, layout.top(layout.index(layout.index(arm, note), layout.index(amd, v3))))) == {"/amd"}


def test_an_index_without_amd64_says_what_it_has(tmp_path: Path) -> None:
    layout = Layout()
    arm = layout.image(Layer((Member("arm"),)), platform={"os": "linux", "architecture": "arm64"})
    plain = layout.image(Layer((Member("s390x"),)), architecture="s390x")
    chart = layout.document({}, "application/vnd.helm.chart")
    with pytest.raises(BuildError) as caught:
        laid_out(tmp_path, layout.top(layout.index(arm), plain, chart))
    assert caught.value.message.endswith(
        "has no image for linux/amd64: it has linux/arm64, linux/s390x, "
        "something of the unknown type 'application/vnd.helm.chart'"
    )
    with pytest.raises(BuildError, match="it has none at all"):
        laid_out(tmp_path, Layout().top())


def test_one_of_several_is_named_by_its_tag(tmp_path: Path) -> None:
    layout = Layout()
    names = [{"org.opencontainers.image.ref.name": name} for name in ("one", "server:two")]
    layout.top(*(layout.image(Layer((Member(f"i{i}"),)), annotations=name) for i, name in enumerate(names)))
    with pytest.raises(BuildError, match="more than one image for linux/amd64") as caught:
        laid_out(tmp_path, layout)
    assert caught.value.details == ("one", "server:two")
    with pytest.raises(BuildError, match="has no image 'three'") as caught:
        laid_out(tmp_path, layout, tag="three")
    assert caught.value.details == ("one", "server:two")
    assert set(laid_out(tmp_path, layout, tag="two")) == {"/i1"}


def changed(layout: Layout, found: str, now: bytes | None) -> Layout:
    """With another content of the file of this digest, or without it."""
    name = f"blobs/{found.replace(':', '/')}"
    if now is None:
        del layout.files[name]
    else:
        layout.files[name] = now
    return layout


@pytest.mark.parametrize("part", ["manifest", "config", "layer"])
@pytest.mark.parametrize("fault", ["missing", "cut off", "changed"])
def test_each_part_is_what_its_digest_promises(tmp_path: Path, part: str, fault: str) -> None:
    layout = Layout()
    manifest = layout.image(Layer((Member("a", "a"),)))
    inner = json.loads(layout.files[f"blobs/{manifest['digest'].replace(':', '/')}"])
    found = {"manifest": manifest, "config": inner["config"], "layer": inner["layers"][0]}[part]["digest"]
    before = layout.files[f"blobs/{found.replace(':', '/')}"]
    now, message = {
        "missing": (None, f"lacks blobs/{found.replace(':', '/')}, which its image needs"),
        "cut off": (before[:-5], f"{found} has {len(before) - 5} bytes instead of {len(before)}"),
        "changed": (before[:-1] + b"?", "a part of its image has another content than its digest promises"),
    }[fault]
    with pytest.raises(DownloadError, match=message):
        laid_out(tmp_path, changed(layout.top(manifest), found, now))
    assert nothing_is_left(tmp_path)


def test_layers_are_what_the_configuration_promises(tmp_path: Path) -> None:
    image = saved(Layer((Member("a", "a"),)))
    image.files["0/layer.tar"] = Layer((Member("a", "b"),)).tar
    with pytest.raises(DownloadError, match="another content than the image's configuration promises"):
        laid_out(tmp_path, image)
    assert nothing_is_left(tmp_path)


@pytest.mark.parametrize("packing", ["", "+gzip", "+zstd"])
def test_a_layer_that_was_cut_off_before_it_was_packed(tmp_path: Path, packing: str) -> None:
    with pytest.raises(DownloadError, match="is damaged, cut off, or no tarball"):
        of_layers(tmp_path, Layer(content=Layer((Member("a", "x" * 99999),)).tar[:50000], packing=packing))
    assert nothing_is_left(tmp_path)


def test_a_tarball_whose_last_block_is_not_filled_is_whole(tmp_path: Path) -> None:
    tar = Layer((Member("a", "a"),)).tar
    assert set(of_layers(tmp_path, Layer(content=tar[:513]))) == {"/a"}
    with pytest.raises(DownloadError, match="is damaged, cut off, or no tarball") as caught:
        of_layers(tmp_path / "other", Layer(content=Layer((Member("a", "a" * 9),)).tar[:520]))
    assert caught.value.details == ("its last file is cut off",)


def odd(layer: bytes, media_type: str = f"{OCI}.layer.v1.tar+gzip", config_type: str = CONFIG) -> Layout:
    layout = Layout()
    config = layout.document(config_of([Layer(content=layer)]), config_type)
    parts = {"config": config, "layers": [layout.blob(layer, media_type)]}
    return layout.top(layout.document(parts, MANIFEST))


def test_unknown_types_and_compressions_are_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"is of the unknown type 'application/vnd.oci.image.layer.v1.tar\+br'"):
        laid_out(tmp_path, odd(b"x", f"{OCI}.layer.v1.tar+br"))
    with pytest.raises(BuildError, match="is compressed by xz: an image's layers are plain, or by gzip or zstd"):
        laid_out(tmp_path, odd(b"\xfd7zXZ\0 and more"))
    with pytest.raises(DownloadError, match="is damaged, cut off, or no tarball"):
        laid_out(tmp_path, odd(b"no tarball"))
    with pytest.raises(BuildError, match="of the unknown type 'application/vnd.wasm': it is no image of files"):
        laid_out(tmp_path, odd(b"x", config_type="application/vnd.wasm"))
    layout = Layout()
    with pytest.raises(BuildError, match="'md5:../../x' is no digest that is known"):
        laid_out(tmp_path, layout.top({**layout.image(Layer((Member("a"),))), "digest": "md5:../../x"}))
    assert nothing_is_left(tmp_path)


def test_what_is_no_image_is_told(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="none is no folder and no file"):
        materials(tmp_path / "none")
    (tmp_path / "text").write_text("text")
    with pytest.raises(BuildError, match="text is no image: it is no tarball"):
        materials(tmp_path / "text")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BuildError, match=r"empty is no image: it has neither index.json nor manifest.json"):
        materials(tmp_path / "empty")
    layout = Layout({"index.json": b'{"manifests": 1}'})
    with pytest.raises(DownloadError, match="index.json isn't what an image has there") as caught:
        materials(layout.folder(tmp_path / "odd"))
    assert any("manifests" in line for line in caught.value.details)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "folder"])
def test_a_layer_is_a_file_of_the_layout(tmp_path: Path, name: str) -> None:
    layer = Layer((Member("a", "a"),))
    (tmp_path / "secret").write_bytes(layer.tar)
    layout = saved(layer)
    (listed,) = json.loads(layout.files["manifest.json"])
    layout.files["manifest.json"] = json.dumps([{**listed, "Layers": [name]}]).encode()
    layout.files["folder/x"] = b""
    for place in (layout.folder(tmp_path / "image"), layout.archive(tmp_path / "image.tar")):
        with pytest.raises(DownloadError, match=f"lacks {name}, which its image needs"):
            materials(place).lay_out(tmp_path / "out")


def test_layers_of_an_archive_may_be_links_to_each_other(tmp_path: Path) -> None:
    layout = saved(Layer((Member("a", "a"),)))
    (listed,) = json.loads(layout.files["manifest.json"])
    layout.files["manifest.json"] = json.dumps([{**listed, "Layers": ["1/layer.tar"]}]).encode()
    place = layout.archive(tmp_path / "image.tar")
    with tarfile.open(place, "a") as tar:
        for name, target in (("1/layer.tar", "../0/layer.tar"), ("2/layer.tar", "layer.tar")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    assert [entry.path for entry in materials(place).lay_out(tmp_path / "out").entries] == ["/a"]
    with opened(place) as files, pytest.raises(DownloadError, match="lacks 2/layer.tar"):
        files.read("2/layer.tar")


@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_an_archive_that_is_cut_off(tmp_path: Path, keep: float) -> None:
    layout = Layout()
    whole = layout.top(layout.image(Layer((Member("a", "x" * 50000),), packing=""))).archive(tmp_path / "image.tar")
    whole.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * keep)])
    with pytest.raises((DownloadError, BuildError), match="image"):
        materials(whole).lay_out(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_empty_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="its image is empty: it has no layers"):
        of_layers(tmp_path)
    with pytest.raises(BuildError, match="the image is empty: its layers have no files"):
        of_layers(tmp_path, Layer((Member("a"),)), Layer((whiteout("a"),)))
    assert nothing_is_left(tmp_path)


@pytest.mark.parametrize("port", ["http", "0", "65536/tcp", "80/icmp"])
def test_a_port_that_is_none_is_refused(tmp_path: Path, port: str) -> None:
    layout = Layout()
    with pytest.raises(BuildError, match=f"its image exposes '{port}', which is no port"):
        laid_out(tmp_path, layout.top(layout.image(Layer((Member("a"),)), settings={"ExposedPorts": {port: {}}})))
