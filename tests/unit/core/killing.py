# SPDX-License-Identifier: GPL-2.0-only
"""Processes that build steps of a store and end by SIGKILL at a chosen moment.

Arguments: the store's folder, a seed, how many processes are killed, and ``evict`` if others evict beside.
Each process counts what it does with files (Python's audit events) and kills itself at one of them, so that
every moment comes up, whatever the host's speed. Exit status 0: right bytes or none, each time.
"""

import json
import os
import random
import signal
import sys
import traceback
from functools import partial
from pathlib import Path

from unilinux.core.code import CodeDigests
from unilinux.core.events import NullSink, Progress
from unilinux.core.eviction import evict
from unilinux.core.localstore import LocalStore
from unilinux.core.store import Output, Step, Workspace

STEPS = 4
FILES = 5
EVENTS = ("open", "os.", "shutil.", "fcntl.")
LIMIT_BYTES = 60_000
MOST_EVENTS = 300  # of a process that builds everything


def content(number: int, file: int) -> str:
    return f"{number} {file}\n" * (number + 1) * 100


def step(number: int) -> Step:
    return Step(name="step", label="a step", spec={"n": number}, resumable=number % 2 == 1, by_key=number % 3 == 2)


def fill(space: Workspace, number: int) -> None:
    for file in range(FILES):
        target = space.out / f"{file}"
        if not target.exists() or target.read_text() != content(number, file):  # as make goes on after a kill
            target.write_text(content(number, file))


def new_store(root: Path) -> LocalStore:
    code = CodeDigests(root, root / "code.json", started_ns=0)
    return LocalStore(root / "store", logs=root / "logs", progress=Progress(NullSink()), code=code)


def require_right(output: Output, number: int) -> None:
    found = {path.name: path.read_text() for path in output.path.iterdir()}
    assert found == {f"{file}": content(number, file) for file in range(FILES)}, f"step {number}: {found.keys()}"


def build_all(root: Path, seed: int) -> None:
    store = new_store(root)
    numbers = list(range(STEPS))
    random.Random(seed).shuffle(numbers)
    outputs = [(store.run(step(number), partial(fill, number=number)), number) for number in numbers]
    for output, number in outputs:  # what a build uses stays until its end
        require_right(output, number)


def kill_at(event: int) -> None:
    left = event

    def hook(name: str, _: object) -> None:
        nonlocal left
        if name.startswith(EVENTS):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def child(root: Path, seed: int, event: int, *, evicts: bool) -> int:
    """Start a process; ``event`` 0 means that it isn't killed."""
    number = os.fork()
    if number:
        return number
    status = 1
    try:
        if event:
            kill_at(event)
        if evicts:
            for _ in range(10):
                evict(root / "store", LIMIT_BYTES)
        build_all(root, seed)
        status = 0
    except Exception:
        traceback.print_exc()
        raise
    finally:
        os._exit(status)


def require_right_or_none(root: Path) -> None:
    store = new_store(root)
    for number in range(STEPS):
        output = store.lookup("step", step(number).key())
        if output is not None:
            require_right(output, number)
            assert store.verify(output)


def main(root: Path, seed: int, kills: int, *, evicts: bool) -> int:
    chosen = random.Random(seed)
    killed = 0
    for turn in range(3 * kills):
        beside = 1 + evicts
        children = [
            child(root, chosen.randrange(1 << 30), chosen.randrange(1, MOST_EVENTS), evicts=evicts and which == 0)
            for which in range(beside)
        ]
        for process in children:
            status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            if status not in (0, -signal.SIGKILL):
                return 1
            killed += status != 0
        require_right_or_none(root)
        if not evicts and turn % 2 == 0 and (root / "store").is_dir():
            evict(root / "store", 0)  # begin anew
        if killed >= kills:
            break
    status = os.waitstatus_to_exitcode(os.waitpid(child(root, 0, 0, evicts=False), 0)[1])
    if evicts:
        evict(root / "store", sys.maxsize)  # the next eviction removes what a killed one left
    left = sorted(path.suffix for path in (root / "store/step").iterdir())
    sys.stdout.write(json.dumps({"killed": killed, "left": left}) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), evicts="evict" in sys.argv))
