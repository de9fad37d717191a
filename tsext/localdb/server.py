"""Making, starting and stopping a PostgreSQL cluster."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsext.errors import LocalServerError
from tsext.localdb import account, folders, postmaster

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  (psycopg2 writes its class in lower case)

DATABASE = "tsext"
"""The database that is made in a new cluster."""

_CONFIGURATION = """
shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
max_locks_per_transaction = 512
max_connections = 200
max_prepared_transactions = 10
listen_addresses = '127.0.0.1'
"""

_PORTS_TRIED = 5
"""Between its choice and its use another process may take a port."""

_PATIENCE = 10.0
"""Seconds in which a running server has to answer; a start that was cut short may still be going on."""


@dataclass(frozen=True)
class Cluster:
    """A data directory and the programs that serve it."""

    version: str
    """``2.19`` or ``2.31`` as asked for, else that of the programs."""
    bindir: Path
    home: Path
    """Folder of the data directory, the log and the port."""
    fsync: bool = True

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.home / "data"

    @property
    def made(self) -> bool:
        """Whether there is a data directory."""
        return (self.data / "PG_VERSION").is_file()

    @property
    def port(self) -> int:
        """The TCP port: of the running server, else the one chosen for the next start."""
        return postmaster.port(self.data) or int(json.loads((self.home / "port.json").read_text())["port"])

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the database ``tsext``."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """SQLAlchemy URL of a database."""
        return f"postgresql+psycopg2://postgres@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int | None:
        """Process id of the running server; None if it is not running."""
        return postmaster.find(self.data)

    def start(self) -> None:
        """Start the server, making its cluster first if there is none; it outlives this process.

        :raises LocalServerError: with the end of the server's log.
        """
        with self._alone():
            if self.pid is None:
                if not self.made:
                    self._make()
                self._start()
            if not (self.data / "standby.signal").exists():
                self._create_database()

    def clone(self, primary: Cluster) -> None:
        """Make this cluster a standby of another, which must be running; its own data are thrown away.

        :raises LocalServerError: if the other cannot be copied.
        """
        source = f"host=127.0.0.1 port={primary.port} user=postgres"
        with self._alone(), self._new_data() as data:
            self._run("pg_basebackup", "-D", str(data), "-R", "-c", "fast", "-d", source)

    def stop(self) -> None:
        """Stop the server if it runs, ending its connections.

        :raises LocalServerError: if it belongs to another user, or does not end.
        """
        with self._alone():
            postmaster.stop(self.data)

    def reset(self) -> None:
        """Stop the server and throw its data away."""
        with self._alone():
            postmaster.stop(self.data)
            if self.home.exists():
                shutil.rmtree(self.home)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from making, starting and stopping this cluster."""
        with folders.using(self.home, "TSEXT_STATE_DIR"), folders.locked(self.home):
            yield

    def _make(self) -> None:
        with self._new_data() as data:
            self._run("initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "--locale=C.UTF-8", "-E", "UTF8")
            with (data / "postgresql.conf").open("a") as configuration:
                configuration.write(_CONFIGURATION)

    @contextmanager
    def _new_data(self) -> Iterator[Path]:
        """Where to make the data directory; it takes its place when it is whole."""
        postmaster.stop(self.data)
        folders.make(self.home)
        shutil.rmtree(self.data, ignore_errors=True)
        self._choose_port()
        with folders.beside(self.data) as work:
            if owner := account.owner(self.data):
                for folder in (self.home, work):
                    os.chown(folder, owner.pw_uid, owner.pw_gid)
            yield work / "data"
            (work / "data").rename(self.data)

    def _choose_port(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            chosen = json.dumps({"port": probe.getsockname()[1]})
        new = self.home / "port.json.new"
        new.write_text(chosen)
        new.replace(self.home / "port.json")

    def _start(self) -> None:
        postmaster.forget(self.data)
        for _ in range(_PORTS_TRIED):
            if not _is_free(self.port):
                self._choose_port()
            done = self._pg_ctl_start()
            if done.returncode == 0:
                return
            if _is_free(self.port):
                break
        log = self.home / "server.log"
        last_lines = log.read_text().strip().splitlines()[-5:] if log.is_file() else [done.stderr.strip()]
        raise self._failed(
            "the local server did not start:\n" + "\n".join(last_lines),
            f"see {log}; `tsext localdb reset` throws its data away and starts anew",
        )

    def _pg_ctl_start(self) -> subprocess.CompletedProcess[str]:
        # over TCP only: the path of a socket may be longer than the operating system allows
        options = f"-p {self.port} -c unix_socket_directories=" + ("" if self.fsync else " -F")
        log = self.home / "server.log"
        return self._try("pg_ctl", "start", "-w", "-D", str(self.data), "-l", str(log), "-o", options)

    def _create_database(self) -> None:
        connection = self._connect()
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {DATABASE}")
        connection.close()

    def _connect(self) -> Connection:
        import psycopg2

        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres", dbname="postgres")
            except psycopg2.OperationalError as error:
                if time.monotonic() > deadline or self.pid is None:
                    raise LocalServerError(
                        f"the local server does not let us in: {error}",
                        hint=f"see {self.home / 'server.log'}; stop it and start it again",
                    ) from error
            time.sleep(0.1)

    def _run(self, program: str, *arguments: str) -> None:
        done = self._try(program, *arguments)
        if done.returncode:
            raise self._failed(
                f"{program} failed: {(done.stderr or done.stdout).strip()}",
                "is the disk full? Set TSEXT_STATE_DIR to a folder that has 500 MB free",
            )

    def _failed(self, message: str, hint: str) -> LocalServerError:
        """The error that a program failed; if its account cannot enter a folder, that is what to mend."""
        owner = account.owner(self.data)
        for path in (self.bindir / "postgres", self.data):
            if owner and (barrier := account.barrier(path, owner)):
                cure = (
                    f"let {owner.pw_name}, whom it runs as, enter {barrier}, or set TSEXT_CACHE_DIR and TSEXT_STATE_DIR"
                )
                return LocalServerError(message, hint=cure)
        return LocalServerError(message, hint=hint)

    def _try(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        owner = account.owner(self.data)
        who: dict[str, Any] = {} if owner is None else {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        command = [str(self.bindir / program), *arguments]
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            # files, not pipes: the server would keep a pipe open after pg_ctl has ended
            streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err}
            try:
                done = subprocess.run(command, cwd="/", check=False, **streams, **who)
            except OSError as error:
                raise self._failed(
                    f"{command[0]} cannot be run: {error.strerror}", "`tsext localdb start` makes what is missing"
                ) from error
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, out.read(), err.read())


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that are being closed do not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
