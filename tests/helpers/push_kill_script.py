"""Pushes in processes that are killed, or that run at once.

    push_kill_script.py MODELS BASE WHAT...

Each WHAT works in a directory of its name below BASE. It is `each` (killed at the 1st, 2nd, ...
file operation, until one gets through), `random:N` (N pushes and rollbacks, killed before a random
line of the pusher's code) or `together:N` (N pushes at once).

The processes are forked from this one, which has imported everything. It prints one JSON object:
the results by WHAT.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import random
import signal
import sys

from tfx.dsl.io import fileio

from tfx_tpu_estimator.components import pusher
from tfx_tpu_estimator.components.pusher.content import read_content
from tfx_tpu_estimator.components.pusher.options import PusherOptions
from tfx_tpu_estimator.components.pusher.rollback import RollbackError, roll_back
from tfx_tpu_estimator.components.pusher.versions import push_content

NOTHING_TO_ROLL_BACK_TO = 3
_OPERATIONS = ("open", "rename", "makedirs", "remove", "rmtree")
_CODE = os.path.join(os.path.dirname(pusher.__file__), "")


def push(base: str, model: str) -> None:
    """Pushes a model, keeping three versions."""
    push_content(read_content(model), base, PusherOptions(keep_versions=3, allow_rolled_back=True))


def fork(work) -> int:
    """Runs `work` in a child process and returns its id."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            work()
            code = 0
        except RollbackError:
            code = NOTHING_TO_ROLL_BACK_TO
        finally:
            os._exit(code)
    return process


def wait(process: int) -> int:
    """Waits for a child; returns its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def die_at(count: int) -> None:
    """Makes this process kill itself in place of its `count`-th file operation."""
    left = [count]

    def wrap(operation):
        def call(*args, **kwargs):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return operation(*args, **kwargs)

        return call

    for name in _OPERATIONS:
        setattr(fileio, name, wrap(getattr(fileio, name)))
    os.fsync = wrap(os.fsync)


def on_each_line(act) -> None:
    """Calls `act` before each line of the pusher's code that this process runs."""

    def trace(frame, event, argument):
        if not frame.f_code.co_filename.startswith(_CODE):
            return None
        if event == "line":
            act()
        return trace

    sys.settrace(trace)


def count_lines(work) -> int:
    """Runs `work` in a child process; returns how many lines of the pusher's code that took."""
    read, write = os.pipe()

    def count():
        lines = []
        on_each_line(lambda: lines.append(None))
        work()
        os.write(write, str(len(lines)).encode())

    assert wait(fork(count)) == 0
    os.close(write)
    with open(read, "rb") as file:
        return int(file.read())


def die_at_line(count: int) -> None:
    """Makes this process kill itself before its `count`-th line of the pusher's code."""
    left = [count]

    def act():
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    on_each_line(act)


def kill_at_each(base: str, models: list[str]) -> dict:
    """Kills a push at each of its file operations, each time starting another model's."""
    killed, count = 0, 0
    while True:
        count += 1
        model = models[count % len(models)]

        def work(count=count, model=model):
            die_at(count)
            push(base, model)

        code = wait(fork(work))
        if code == 0:
            return {"killed": killed, "finished": 1}
        assert code == -signal.SIGKILL, code
        killed += 1


def kill_randomly(base: str, models: list[str], count: int) -> dict:
    """Kills pushes and rollbacks before random lines; some get through."""
    generator = random.Random(count)
    usual = max(count_lines(functools.partial(push, base, model)) for model in models[:2])
    codes = []
    for _ in range(count):
        model = generator.choice(models)
        going_back = generator.random() < 0.2
        last = generator.randint(1, int(1.6 * usual))

        def work(model=model, going_back=going_back, last=last):
            die_at_line(last)
            if going_back:
                roll_back(base)
            else:
                push(base, model)

        codes.append(wait(fork(work)))
    return {
        "killed": codes.count(-signal.SIGKILL),
        "finished": codes.count(0),
        "other": [c for c in codes if c not in (0, NOTHING_TO_ROLL_BACK_TO, -signal.SIGKILL)],
    }


def push_together(base: str, models: list[str], count: int) -> dict:
    """Pushes from several processes at once."""
    chosen = [models[i % len(models)] for i in range(count)]
    processes = [fork(functools.partial(push, base, model)) for model in chosen]
    return {"codes": [wait(process) for process in processes]}


def run(what: str, base: str, models: list[str]) -> dict:
    """Does one of the things and returns what came of it."""
    kind, _, count = what.partition(":")
    if kind == "each":
        return kill_at_each(base, models)
    work = kill_randomly if kind == "random" else push_together
    return work(base, models, int(count))


def main() -> None:
    folder, root, *tasks = sys.argv[1:]
    models = sorted(str(path) for path in pathlib.Path(folder).iterdir())
    print(json.dumps({what: run(what, f"{root}/{what}", models) for what in tasks}))


if __name__ == "__main__":
    main()
