"""The meeting of processes, here of threads: who comes, who is missing, who is wrong."""

import concurrent.futures
import dataclasses
import gc
import os
import socket
import struct
import time

import pytest
from helpers.process_runs import find_ports

from tfx_tpu_estimator.config.processes import ProcessPlace
from tfx_tpu_estimator.execution import rendezvous
from tfx_tpu_estimator.execution.rendezvous import meet


def make_places(count, timeout=300.0):
    (port,) = find_ports(1)
    names = tuple(f"process {i} (worker {i})" for i in range(count))
    return [
        ProcessPlace(
            coordinator=f"127.0.0.1:{port}",
            num_processes=count,
            process_id=i,
            names=names,
            timeout_secs=timeout,
        )
        for i in range(count)
    ]


def meet_all(places):
    """Returns what each raised, None where nothing."""
    with concurrent.futures.ThreadPoolExecutor(len(places)) as pool:
        return [f.exception() for f in [pool.submit(meet, p) for p in places]]


def test_all_come_in_any_order():
    places = make_places(4)
    assert meet_all(places[::-1]) == [None] * 4


def test_strangers_do_not_count():
    chief, worker = make_places(2)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        met = pool.submit(meet, chief)
        port = int(chief.coordinator.rpartition(":")[2])
        for message in (b"GET / HTTP/1.0\n", b"[1]\n", b""):
            knock(port, message)
        meet(worker)
        met.result()


def knock(port, message):
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(message)
                return
        except ConnectionRefusedError:
            time.sleep(0.01)


class Clock:
    """Stands in for the module `time`: it is late as soon as so many hellos were read."""

    def __init__(self, monkeypatch, hellos):
        self._left = hellos
        self._read = rendezvous._read
        monkeypatch.setattr(rendezvous, "_read", self._count)
        monkeypatch.setattr(rendezvous, "time", self)

    sleep = staticmethod(time.sleep)

    def monotonic(self):
        return 1000.0 if self._left > 0 else 2000.0

    def _count(self, connection):
        message = self._read(connection)
        self._left -= "process" in (message or {})
        return message


def test_all_who_came_learn_who_is_missing(monkeypatch):
    Clock(monkeypatch, hellos=1)
    places = make_places(4, timeout=1.0)
    raised = meet_all([places[0], places[2]])
    for error in raised:
        assert isinstance(error, TimeoutError)
        assert "Of 4 processes, 2 did not start within 1 s" in str(error)
        assert "process 1 (worker 1), process 3 (worker 3)" in str(error)


def test_without_process_0_its_address_is_named():
    chief, worker = make_places(2, timeout=0.5)
    with pytest.raises(TimeoutError, match=rf"did not answer at {chief.coordinator} within 0.5 s"):
        meet(worker)


def test_two_with_the_same_id():
    places = make_places(3)
    twins = [places[0], places[1], places[1]]
    for error in meet_all(twins):
        assert isinstance(error, ValueError | TimeoutError)
        assert "Two processes call themselves 1" in str(error) or "did not answer" in str(error)


def test_different_numbers_of_processes():
    chief, worker = make_places(2)
    wrong = dataclasses.replace(worker, num_processes=3)
    for error in meet_all([chief, wrong]):
        assert isinstance(error, ValueError)
        assert "told that there are 3 processes, process 0 that there are 2" in str(error)


def test_a_port_that_is_taken():
    (chief, _) = make_places(2)
    port = int(chief.coordinator.rpartition(":")[2])
    with (
        socket.create_server(("", port)),
        pytest.raises(OSError, match=f"cannot listen on port {port}"),
    ):
        meet(chief)


def meet_and_return(places):
    with concurrent.futures.ThreadPoolExecutor(len(places)) as pool:
        return [f.result() for f in [pool.submit(meet, p) for p in places]]


def test_process_0_knows_when_the_others_have_ended():
    chief, first, second = meet_and_return(make_places(3))
    assert not chief.wait_for_ends(0.01)
    first.end()
    assert not chief.wait_for_ends(0.01)
    second.end()
    assert chief.wait_for_ends(300)
    chief.end()


def test_an_end_is_heard_though_a_child_has_inherited_the_connection():
    chief, other = meet_and_return(make_places(2))
    (connection,) = other._connections
    inherited = connection.dup()
    other.end()
    assert chief.wait_for_ends(300)
    inherited.close()
    chief.end()


def test_a_process_that_is_gone_has_ended():
    chief, other = meet_and_return(make_places(2))
    (connection,) = other._connections
    # As the system does with what a killed process has not read.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    assert chief.wait_for_ends(300)
    chief.end()


def test_a_connection_left_open_lasts_as_long_as_the_process():
    chief, other = meet_and_return(make_places(2))
    (connection,) = other._connections
    descriptor = connection.fileno()
    other.leave_open()
    del connection, other
    gc.collect()
    assert not chief.wait_for_ends(0.01)
    os.close(descriptor)
    assert chief.wait_for_ends(300)
    chief.end()
