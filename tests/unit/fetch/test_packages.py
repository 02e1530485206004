# SPDX-License-Identifier: GPL-2.0-only
"""A package with all that it depends on: what apt chooses stays the same, and what doesn't fit is said."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.unit.debs import Deb
from tests.unit.fetch.conftest import Archive
from tests.unit.recorder import Recorder
from unilinux.core.errors import DownloadError
from unilinux.core.events import Progress
from unilinux.core.layout import Layout
from unilinux.fetch.apt import Wanted
from unilinux.fetch.chosen import chosen_file
from unilinux.fetch.fetcher import Fetcher


def add_server(archive: Archive) -> None:
    archive.add_deb(
        Deb(
            "server",
            "1:2.0-1",
            fields={"Pre-Depends": "early", "Depends": "library (>= 1), installer", "Recommends": "nice"},
        )
    )
    for name in ("early", "nice", "needed-by-installer"):
        archive.add_deb(Deb(name))
    archive.add_deb(Deb("library", "1.5-1"))
    archive.add_deb(Deb("installer", fields={"Depends": "needed-by-installer"}))


def fetched(fetcher: Fetcher, wanted: Wanted) -> dict[str, str]:
    return {name: package.version for name, package in fetcher.debian_packages(wanted).items()}


def test_all_that_is_depended_on_comes_and_nothing_else(fetcher: Fetcher, archive: Archive) -> None:
    add_server(archive)
    found = fetched(fetcher, Wanted(package="server"))
    others = {"early": "1.0-1", "installer": "1.0-1", "library": "1.5-1", "needed-by-installer": "1.0-1"}
    assert found == {**others, "server": "1:2.0-1"}
    assert list(found)[-1] == "server"  # in the order in which apt would unpack them


def test_recommended_packages_come_when_asked_for(fetcher: Fetcher, archive: Archive) -> None:
    add_server(archive)
    assert "nice" in fetched(fetcher, Wanted(package="server", recommends=True))


def test_further_packages_come_with_what_they_depend_on(fetcher: Fetcher, archive: Archive) -> None:
    add_server(archive)
    archive.add_deb(Deb("shell", fields={"Depends": "terminal"}))
    archive.add_deb(Deb("terminal"))
    found = fetched(fetcher, Wanted(package="server", also=("shell",)))
    assert {"server", "shell", "terminal"} <= found.keys()
    with pytest.raises(DownloadError, match=r"no package shel; did you mean 'shell'\?"):
        fetcher.debian_packages(Wanted(package="server", also=("shel",)))


def test_what_is_left_out_needs_nothing(fetcher: Fetcher, archive: Archive) -> None:
    add_server(archive)
    found = fetched(fetcher, Wanted(package="server", without=("installer", "not-offered")))
    assert sorted(found) == ["early", "library", "server"]


def test_the_same_question_gets_the_same_answer(
    fetcher: Fetcher, archive: Archive, layout: Layout, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_server(archive)
    found = fetcher.debian_packages(Wanted(package="server"))
    archive.add_deb(Deb("library", "1.6-1"))
    monkeypatch.setenv("PATH", "/nonexistent")  # nor is apt asked
    assert Fetcher(layout, Progress(recorder)).debian_packages(Wanted(package="server")) == found
    assert recorder.cached == [False, True]


def test_a_download_that_was_evicted_comes_again_as_it_was(fetcher: Fetcher, archive: Archive) -> None:
    add_server(archive)
    found = fetcher.debian_packages(Wanted(package="server"))
    archive.add_deb(Deb("library", "1.6-1"))
    found["library"].path.unlink()
    assert fetcher.debian_packages(Wanted(package="server")) == found
    assert found["library"].path.exists()


def test_what_is_withdrawn_is_chosen_anew_which_is_said(fetcher: Fetcher, archive: Archive, recorder: Recorder) -> None:
    add_server(archive)
    found = fetcher.debian_packages(Wanted(package="server"))
    found["library"].path.unlink()
    (archive.root / "library_1.5-1_all.deb").unlink()
    archive.packages[:] = [stanza for stanza in archive.packages if "Package: library\n" not in stanza]
    archive.add_deb(Deb("library", "1.6-1"))
    assert fetched(fetcher, Wanted(package="server"))["library"] == "1.6-1"
    assert recorder.notes == ["what server depended on isn't offered any more; versions are new"]


@pytest.mark.parametrize("damage", ["", "{", '{"packages": [{"package": "server"}]}', '{"packages": [1]}'])
def test_a_damaged_record_is_as_good_as_none(fetcher: Fetcher, archive: Archive, layout: Layout, damage: str) -> None:
    add_server(archive)
    found = fetcher.debian_packages(Wanted(package="server"))
    record = chosen_file(layout.cache / "apt/resolved", Wanted(package="server"))
    assert record.exists()
    record.write_text(damage)
    assert fetcher.debian_packages(Wanted(package="server")) == found


def test_an_unknown_package_gets_the_nearest_name(fetcher: Fetcher, archive: Archive) -> None:
    add_server(archive)
    with pytest.raises(DownloadError, match=r"no package servr; did you mean 'server'\?"):
        fetcher.debian_packages(Wanted(package="servr"))


def test_a_version_that_is_not_offered(fetcher: Fetcher, archive: Archive) -> None:
    add_server(archive)
    with pytest.raises(DownloadError, match=r"don't have server 1:1\.9-1") as caught:
        fetcher.debian_packages(Wanted(package="server", version="1:1.9-1"))
    assert [line.split("  ")[0] for line in caught.value.details] == ["offered: 1:2.0-1"]
    archive.add_deb(Deb("server", "1:1.9-1"))
    assert fetched(fetcher, Wanted(package="server", version="1:1.9-1")) == {"server": "1:1.9-1"}


def test_packages_that_do_not_fit_each_other(fetcher: Fetcher, archive: Archive, layout: Layout) -> None:
    archive.add_deb(Deb("one", fields={"Conflicts": "two"}))
    archive.add_deb(Deb("two"))
    archive.add_deb(Deb("both", fields={"Depends": "one, two"}))
    with pytest.raises(DownloadError, match="no packages for both that fit each other") as caught:
        fetcher.debian_packages(Wanted(package="both"))
    assert any("both : Depends: two but" in line for line in caught.value.details)
    assert not list((layout.cache / "apt").glob("resolved/*"))


def test_a_dependency_that_nobody_offers(fetcher: Fetcher, archive: Archive) -> None:
    archive.add_deb(Deb("server", fields={"Depends": "nowhere (>= 2)"}))
    with pytest.raises(DownloadError, match="fit each other") as caught:
        fetcher.debian_packages(Wanted(package="server"))
    assert any("Depends: nowhere (>= 2) but it is not installable" in line for line in caught.value.details)


def test_one_package_with_another_content_than_its_index_promises(
    fetcher: Fetcher, archive: Archive, layout: Layout
) -> None:
    archive.add_deb(Deb("server", fields={"Depends": "library"}))
    archive.add_deb(Deb("library"), sha256="0" * 64)
    with pytest.raises(DownloadError, match="could not download library_1"):
        fetcher.debian_packages(Wanted(package="server"))
    assert not list((layout.cache / "apt").glob("resolved/*"))


def test_no_network(fetcher: Fetcher, configured: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    configured("deb [trusted=yes] http://127.0.0.1:9/debian ./\n")
    with pytest.raises(DownloadError, match="no package lists could be fetched") as caught:
        fetcher.debian_packages(Wanted(package="server"))
    assert any("127.0.0.1:9" in line for line in caught.value.details)
    assert "network" in (caught.value.hint or "")
