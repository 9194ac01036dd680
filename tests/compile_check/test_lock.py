"""Who compiles, for those that wait."""

import os
import re
import threading
import time

from helpers.tpu_compiler import own_lock

from tfx_tpu_estimator.compile_check.lock import compiling

__all__ = ["own_lock"]  # a fixture of all tests here


def test_those_that_wait_are_told_again_and_again_who_compiles():
    told, entered = [], threading.Event()

    def wait():
        with compiling(lambda seconds, holder: told.append((seconds, holder))):
            entered.set()

    with compiling(lambda *_: None):
        thread = threading.Thread(target=wait)
        thread.start()
        while len(told) < 2:
            time.sleep(0.05)
        assert not entered.is_set()
    thread.join()
    assert entered.is_set()
    assert told[0][0] < told[1][0]
    assert re.fullmatch(
        rf"process {os.getpid()} \(`.*`\), compiling since \d\d:\d\d:\d\d UTC", told[0][1]
    )
