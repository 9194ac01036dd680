"""PostgreSQL and MariaDB on loopback, each with a data directory that is thrown away."""

import contextlib
import glob
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.parse

import pytest

USER = "tfx"
DATABASE = "metadata"
# What has to be quoted in a URL.
PASSWORD = "p@ss/w:rd"
_INSTALL = pathlib.Path(__file__).parent.parent / "servers" / "install.sh"
_START_SECONDS = 300


class Server:
    """A server that runs: where it is, and how to stop and start it.

    Attributes:
      url: As `PipelineConfig.metadata_path` takes it.
    """

    def __init__(self, scheme, folder, command, probe, account):
        self._folder, self._command, self._probe, self._account = folder, command, probe, account
        self.port = _find_port()
        self.url = f"{scheme}://{USER}:{urllib.parse.quote(PASSWORD, safe='')}@127.0.0.1"
        self.url += f":{self.port}/{DATABASE}"
        self._process = None

    def start(self):
        """Starts it, and waits until it answers."""
        self._process = subprocess.Popen(
            [*self._command, f"--port={self.port}"],
            stdout=(self._folder / "log.txt").open("ab"),
            stderr=subprocess.STDOUT,
            **self._account,
        )
        end = time.monotonic() + _START_SECONDS
        while subprocess.run(self._probe(self.port), capture_output=True, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > end:
                log = (self._folder / "log.txt").read_text(errors="replace")
                raise RuntimeError(f"{self._command[0]} did not start:\n{log[-3000:]}")
            time.sleep(0.2)

    def stop(self):
        """Stops it, and waits until it has gone."""
        # PostgreSQL's fast shutdown; MariaDB ends on either.
        self._process.send_signal(2 if "postgres" in self._command[0] else 15)
        try:
            self._process.wait(timeout=300)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def run_postgresql():
    """Yields a PostgreSQL Server with an empty database; skips the test where there is none."""
    programs = _find_programs("postgresql", "/usr/lib/postgresql/*/bin", "postgres")
    with _make_folder("postgres") as (folder, account):
        data = folder / "data"
        (folder / "password").write_text(PASSWORD)
        options = ["-U", USER, "-E", "UTF8", "--no-locale", "--no-sync", "--auth=scram-sha-256"]
        _call([f"{programs}/initdb", "-D", data, f"--pwfile={folder}/password", *options], account)
        command = [f"{programs}/postgres", "-D", str(data), "-h", "127.0.0.1", "-k", str(folder)]

        def probe(port):
            return [f"{programs}/pg_isready", "-h", "127.0.0.1", "-p", str(port)]

        server = Server("postgresql", folder, [*command, "-F"], probe, account)
        with _running(server):
            reach = ["-h", "127.0.0.1", "-p", str(server.port), "-U", USER, DATABASE]
            _call([f"{programs}/createdb", *reach], account, PGPASSWORD=PASSWORD)
            yield server


@contextlib.contextmanager
def run_mariadb():
    """Yields a MariaDB Server with an empty database; skips the test where there is none."""
    programs = _find_programs("mariadb-server", "/usr/sbin", "mariadbd")
    with _make_folder("mysql") as (folder, account):
        place = ["--no-defaults", f"--datadir={folder}/data"]
        _call(
            ["mariadb-install-db", *place, "--auth-root-authentication-method=normal",
             "--skip-test-db"],
            account,
        )  # fmt: skip
        reach = ["--no-defaults", f"--socket={folder}/socket", "-u", "root"]
        command = [f"{programs}/mariadbd", *place, "--bind-address=127.0.0.1"]
        command += [f"--socket={folder}/socket", f"--pid-file={folder}/pid"]

        def probe(_):
            return ["mariadb-admin", *reach, "ping"]

        server = Server("mysql", folder, command, probe, account)
        with _running(server):
            statements = (
                f"CREATE DATABASE {DATABASE}; "
                f"CREATE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'; "
                f"GRANT ALL ON {DATABASE}.* TO '{USER}'@'127.0.0.1';"
            )
            _call(["mariadb", *reach, "-e", statements], account)
            yield server


@contextlib.contextmanager
def _running(server):
    server.start()
    try:
        yield
    finally:
        server.stop()


def _find_programs(package, pattern, program):
    """Returns the folder of a server's programs; in CI what is missing is installed."""
    if not _list_folders(pattern, program):
        why = f"{package} is not installed (tests/servers/install.sh installs it)"
        if not os.environ.get("CI"):
            pytest.skip(why)
        done = subprocess.run([str(_INSTALL)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{why}: {done.stderr.strip()}")
    return _list_folders(pattern, program)[-1]


def _list_folders(pattern, program):
    return [f for f in sorted(glob.glob(pattern)) if os.path.exists(os.path.join(f, program))]


@contextlib.contextmanager
def _make_folder(user):
    """Yields a folder, and the account to run as: these servers refuse to run as root."""
    account = {}
    # pytest's own folders are closed to other users.
    folder = tempfile.mkdtemp(prefix="server-")
    if os.geteuid() == 0:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    try:
        yield pathlib.Path(folder), account
    finally:
        shutil.rmtree(folder)


def _call(command, account, **variables):
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **variables},
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **account,
    )
    assert done.returncode == 0, f"{command[0]}:\n{done.stdout[-3000:]}"


def _find_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
