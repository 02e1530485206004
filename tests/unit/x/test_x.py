# SPDX-License-Identifier: GPL-2.0-only
"""The set-up script, in a small copy of the project and with stand-ins for the programs that it calls."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]

# What x may find on its PATH besides the stand-ins.
REAL = ("cat", "cmp", "cp", "dirname", "flock", "mkdir", "mv", "readlink", "rm", "sed", "sh", "sleep")

PYTHON = """#!/bin/sh
# A Python whose virtual environments hold a pip that succeeds and a unilinux that tells how it was called.
here=@BIN@
if [ "$1" = -P ]; then shift; fi
case $1 in
    -c) [ -e "$here/no-venv" ] && exit 1; echo "$here/python3" ;;
    -m) case $2 in
        venv)
            echo "venv $4" >>"$here/calls"
            rm -rf "$4"; mkdir -p "$4/bin"
            cp "$here/python3" "$4/bin/python" ;;
        unilinux.cli)
            shift 2
            echo "unilinux $*" ;;
        pip)
            echo "pip $*" >>"$here/calls"
            echo "noise on standard output"
            while [ -e "$here/slow-pip" ]; do echo >>"$here/pip-began"; sleep 0.02; done
            [ ! -e "$here/bad-pip" ] ;;
        esac ;;
esac
"""
DPKG = """#!/bin/sh
echo "dpkg-query" >>"@BIN@/calls"
for word; do case $word in
    -*) ;;
    absent*) echo "no packages found matching $word" >&2 ;;
    *) printf 'installed:%s ' "$word" ;;
esac; done
"""
APT = """#!/bin/sh
echo "apt-get $*" >>"@BIN@/calls"
echo "apt-get's own words"
case " $* " in *" --simulate "*) [ ! -e "@BIN@/old-lists" ] ;; *" install "*) [ ! -e "@BIN@/bad-apt" ] ;; esac
"""


class Trial:
    """A project to call x in, and a PATH with nothing on it but what x needs."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a project"
        self.bin = folder / "bin"
        (self.root / "configs").mkdir(parents=True)
        self.bin.mkdir()
        shutil.copy(PROJECT / "x", self.root / "x")
        (self.root / "requirements.lock").write_text("one==1\n")
        self.packages("gcc  # compiles")
        self.packages("browser # shows pages", file="debian-packages-test.txt")
        for name in (*REAL, "chmod"):
            found = shutil.which(name)
            assert found is not None
            (self.bin / name).symlink_to(found)
        self.program("python3", PYTHON)
        self.program("dpkg-query", DPKG)
        self.program("apt-get", APT)
        self.program("env", '#!/bin/sh\nshift\nexec "$@"\n')
        self.program("id", "#!/bin/sh\necho 0\n")

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text.replace("@BIN@", str(self.bin)))
        path.chmod(0o755)

    def packages(self, *lines: str, file: str = "debian-packages.txt") -> None:
        (self.root / "configs" / file).write_text("# comment\n\n" + "\n".join(lines) + "\n")

    def begin(self, *arguments: str, x: Path | None = None, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [x or self.root / "x", *arguments],
            cwd=self.bin, env={"PATH": str(self.bin), **environ}, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def call(self, *arguments: str, x: Path | None = None, **environ: str) -> tuple[int, str, str]:
        process = self.begin(*arguments, x=x, **environ)
        output, errors = process.communicate(timeout=30)
        return process.returncode, output, errors

    def calls(self) -> list[str]:
        path = self.bin / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",), ("help",)])
def test_alone_it_explains_itself_and_does_nothing(arguments: tuple[str, ...], trial: Trial) -> None:
    status, output, errors = trial.call(*arguments)
    assert (status, errors, trial.calls()) == (0, "", [])
    assert output.startswith("UniLinux builds one Linux application")
    for command in ("setup", "build", "run", "verify", "test", "check"):
        assert f"./x {command}" in output


def test_the_first_call_sets_up_and_the_second_only_runs(trial: Trial) -> None:
    status, output, errors = trial.call("build", "--app", "a b")
    assert (status, output) == (0, "unilinux build --app a b\n")
    assert f"x: making {trial.root}/.venv with {trial.bin}/python3" in errors
    calls = trial.calls()
    assert calls[0] == "dpkg-query"
    assert calls[1] == f"venv {trial.root}/.venv"
    assert "--require-hashes" in calls[2]
    assert calls[3].endswith(f"--no-deps --no-build-isolation --editable {trial.root}")
    assert trial.call("apps") == (0, "unilinux apps\n", "")
    assert trial.calls() == []


def test_packages_are_looked_at_again_when_the_list_or_dpkg_has_changed(trial: Trial) -> None:
    (trial.root / "dpkg").mkdir()
    status = trial.root / "dpkg" / "status"
    status.touch()
    trial.call("apps", DPKG_ADMINDIR=str(status.parent))
    trial.calls()
    trial.call("apps", DPKG_ADMINDIR=str(status.parent))
    assert trial.calls() == []
    later = time.time() + 10
    os.utime(status, (later, later))
    trial.call("apps", DPKG_ADMINDIR=str(status.parent))
    assert trial.calls() == ["dpkg-query"]
    os.utime(status, (0, 0))
    trial.packages("gcc # compiles", "make # makes")
    trial.call("apps", DPKG_ADMINDIR=str(status.parent))
    assert trial.calls() == ["dpkg-query"]


def test_alone_it_lists_the_applications(trial: Trial) -> None:
    for app in ("hello", "nginx"):
        (trial.root / "apps" / app).mkdir(parents=True)
        (trial.root / "apps" / app / "app.toml").touch()
    assert "\nApplications: hello nginx\n" in trial.call()[1]


def test_help_for_a_command_is_invokes(trial: Trial) -> None:
    assert trial.call("help", "build")[1] == "unilinux --help build\n"
    for words in (("build", "--help"), ("build", "-h"), ("build", "--app", "nginx", "--help")):
        assert trial.call(*words)[1] == "unilinux --help build\n"


def test_it_finds_its_project_through_links(trial: Trial, tmp_path: Path) -> None:
    (tmp_path / "far away").mkdir()
    (tmp_path / "link").symlink_to("a project/x")
    (tmp_path / "far away" / "link").symlink_to("../link")
    assert trial.call("apps", x=tmp_path / "far away" / "link")[1] == "unilinux apps\n"


def test_modules_of_the_folder_where_it_is_called_are_not_run(tmp_path: Path) -> None:
    for name in ("json", "pathlib", "tarfile", "grp", "invoke", "unilinux"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('somebody else runs')\n")
    command = [f"{PROJECT}/x", "build", "--app", "absent", "--json"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["error"]["kind"] == "usage", done.stderr


def test_a_changed_lock_or_a_moved_project_sets_up_again(trial: Trial, tmp_path: Path) -> None:
    trial.call("apps")
    (trial.root / "requirements.lock").write_text("one==2\n")
    trial.calls()
    trial.call("apps")
    assert f"venv {trial.root}/.venv" in trial.calls()
    trial.root = trial.root.rename(tmp_path / "moved")
    trial.call("apps")
    assert f"venv {tmp_path}/moved/.venv" in trial.calls()


def test_a_failed_set_up_does_not_count(trial: Trial) -> None:
    (trial.bin / "bad-pip").touch()
    status, output, errors = trial.call("apps")
    assert (status, output) == (5, "")
    assert "x: pip failed (see above); the next ./x begins the set-up again" in errors
    (trial.bin / "bad-pip").unlink()
    assert trial.call("apps")[0] == 0


def _wait_for(path: Path) -> None:
    end = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_an_environment_that_is_a_link_to_nothing_is_told(trial: Trial) -> None:
    (trial.root / ".venv").symlink_to("gone/.venv")
    status, _, errors = trial.call("apps")
    assert status == 4
    assert f"{trial.root}/.venv is a link to nothing (gone/.venv); remove it: rm " in errors
    assert [line for line in trial.calls() if line.startswith(("venv", "pip"))] == []


def test_an_interrupted_set_up_does_not_count(trial: Trial) -> None:
    (trial.bin / "slow-pip").touch()
    process = trial.begin("apps")
    _wait_for(trial.bin / "pip-began")
    os.killpg(process.pid, signal.SIGINT)
    process.communicate()
    assert process.returncode != 0
    assert not (trial.root / ".venv/requirements.lock").exists()
    (trial.bin / "slow-pip").unlink()
    assert trial.call("apps")[0] == 0


def test_two_first_calls_set_up_once(trial: Trial) -> None:
    (trial.bin / "slow-pip").touch()
    first = trial.begin("apps")
    _wait_for(trial.bin / "pip-began")
    second = trial.begin("apps")
    assert second.stderr is not None
    assert second.stderr.readline() == "x: waiting for another ./x to end its set-up\n"
    (trial.bin / "slow-pip").unlink()
    outputs = [process.communicate(timeout=30)[0] for process in (first, second)]
    assert outputs == ["unilinux apps\n"] * 2
    assert sum(line.startswith("venv") for line in trial.calls()) == 1


def test_missing_packages_are_told_with_the_reason_and_installed(trial: Trial) -> None:
    trial.packages("gcc  # compiles", "absent-one   # is needed for this", "absent-two # for that")
    status, output, errors = trial.call("apps")
    assert (status, output) == (0, "unilinux apps\n")
    assert "    absent-one: is needed for this\n    absent-two: for that\n" in errors
    assert "gcc" not in errors
    installs = [line for line in trial.calls() if line.startswith("apt-get")]
    assert [line.split()[-3:] for line in installs] == [
        ["--simulate", "absent-one", "absent-two"],
        ["--no-install-recommends", "absent-one", "absent-two"],
    ]


def test_old_package_lists_are_fetched_first(trial: Trial) -> None:
    trial.packages("absent # for this")
    (trial.bin / "old-lists").touch()
    trial.call("apps")
    assert [line.split()[-1] for line in trial.calls() if line.startswith("apt-get")] == ["absent", "update", "absent"]


def test_no_install_only_prints_the_command(trial: Trial) -> None:
    trial.packages("gcc # compiles", "absent-one # is needed")
    status, output, errors = trial.call("apps", UNILINUX_NO_INSTALL="1")
    assert (status, output) == (4, "")
    assert errors == (
        "x: Debian packages are missing:\n"
        "    absent-one: is needed\n"
        "x: install them with: apt-get install --no-install-recommends absent-one\n"
    )
    assert trial.calls() == ["dpkg-query"]


def test_what_keeps_it_from_running_is_a_json_document_if_that_is_asked_for(trial: Trial) -> None:
    trial.packages('absent-one # is "needed"')
    status, output, errors = trial.call("apps", "--json", UNILINUX_NO_INSTALL="1")
    assert status == 4
    assert json.loads(output)["error"] == {
        "code": 4,
        "kind": "host",
        "message": "install them with: apt-get install --no-install-recommends absent-one",
        "details": [],
        "hint": None,
    }
    assert errors.startswith("x: Debian packages are missing:")


def test_what_only_tests_need_is_installed_for_them_alone(trial: Trial) -> None:
    trial.packages("absent-browser # shows pages", file="debian-packages-test.txt")
    trial.call("apps")
    trial.call("test", "--fast")
    assert [line for line in trial.calls() if "absent-browser" in line] == []
    status, output, errors = trial.call("test", "--all")
    assert (status, output) == (0, "unilinux test --all\n")
    assert "    absent-browser: shows pages\n" in errors
    assert "--no-install-recommends absent-browser" in trial.calls()[-1]


def test_tests_go_on_without_what_only_they_need(trial: Trial) -> None:
    trial.packages("absent-browser # shows pages", file="debian-packages-test.txt")
    trial.call("apps")
    status, output, errors = trial.call("test", "--json", UNILINUX_NO_INSTALL="1")
    assert (status, output) == (0, "unilinux test --json\n")
    assert errors.endswith("absent-browser\nx: the tests that need them will be skipped\n")
    (trial.bin / "bad-apt").touch()
    assert trial.call("test")[0] == 0


def test_a_failing_apt_is_told(trial: Trial) -> None:
    trial.packages("absent # is needed")
    (trial.bin / "bad-apt").touch()
    status, output, errors = trial.call("apps")
    assert (status, output) == (4, "")
    assert errors.endswith(
        "x: apt-get failed (see above); install them as root: apt-get install --no-install-recommends absent\n"
    )


def test_without_root_and_sudo_the_command_is_printed(trial: Trial) -> None:
    trial.packages("absent # is needed")
    trial.program("id", "#!/bin/sh\necho 1000\n")
    status, _, errors = trial.call("apps")
    assert status == 4
    assert "x: installing needs root, and there is no sudo; as root: apt-get install" in errors
    assert trial.calls() == ["dpkg-query"]


def test_without_root_sudo_is_used_and_asks_nothing_where_nobody_can_answer(trial: Trial) -> None:
    trial.packages("absent # is needed")
    trial.program("id", "#!/bin/sh\necho 1000\n")
    trial.program("sudo", '#!/bin/sh\necho "sudo $1" >>"@BIN@/calls"\nshift 2\nexec "$@"\n')
    assert trial.call("apps")[0] == 0
    assert "sudo -n" in trial.calls()


def test_a_host_without_python_is_told_which_package_brings_it(trial: Trial) -> None:
    (trial.bin / "no-venv").touch()
    status, _, errors = trial.call("apps")
    assert status == 4
    assert errors.endswith(
        "x: Python 3.11 or newer with venv and ensurepip is needed; on Debian: apt-get install python3-venv\n"
    )


def test_debians_python_is_asked_for_only_where_there_is_no_other(trial: Trial) -> None:
    trial.packages("python3-venv # Python")
    trial.program("dpkg-query", "#!/bin/sh\n")
    (trial.bin / "no-venv").touch()
    assert "    python3-venv: Python\n" in trial.call("apps", UNILINUX_NO_INSTALL="1")[2]
    (trial.bin / "no-venv").unlink()
    assert trial.call("apps", UNILINUX_NO_INSTALL="1")[0] == 0


def test_elsewhere_than_on_debian_it_says_once_that_packages_are_not_checked(trial: Trial) -> None:
    (trial.bin / "dpkg-query").unlink()
    assert "x: this is no Debian: check yourself" in trial.call("apps")[2]
    assert trial.call("apps") == (0, "unilinux apps\n", "")


@pytest.mark.parametrize(("file", "least"), [("debian-packages.txt", 10), ("debian-packages-test.txt", 1)])
def test_each_package_has_its_reason(file: str, least: int) -> None:
    lines = (PROJECT / "configs" / file).read_text().splitlines()
    entries = [line for line in lines if line and not line.startswith("#")]
    assert len(entries) > least
    assert [line for line in entries if not line.partition("# ")[2]] == []
    assert len({line.split()[0] for line in entries}) == len(entries)


def test_the_lock_names_no_host_and_has_a_hash_for_each_package() -> None:
    text = (PROJECT / "requirements.lock").read_text()
    assert "://" not in text
    assert "--index-url" not in text
    entries = text.replace("\\\n", " ").splitlines()
    pins = [line for line in entries if line and line[0] not in "# "]
    assert len(pins) > 15
    assert [pin for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []


def test_all_that_the_project_needs_is_locked() -> None:
    wanted = [line.split("#")[0].strip() for line in (PROJECT / "requirements.in").read_text().splitlines()]
    locked = {line.split("==")[0] for line in (PROJECT / "requirements.lock").read_text().splitlines() if "==" in line}
    names = {name.partition("==")[0].replace(".", "-") for name in wanted if name}
    assert names - locked == set()
