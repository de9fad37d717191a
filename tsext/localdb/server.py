"""Starting and stopping a PostgreSQL cluster, as a user that PostgreSQL accepts."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tsext.errors import LocalServerError

DATABASE = "tsext"
"""The database that is made in a new cluster."""

_CONFIGURATION = """
shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
max_locks_per_transaction = 512
max_connections = 200
listen_addresses = '127.0.0.1'
"""


@dataclass(frozen=True)
class Cluster:
    """A data directory and the programs that serve it."""

    version: str
    """``2.19`` or ``2.31``, as asked for."""
    bindir: Path
    home: Path
    """Folder of the data directory, the log and the port."""
    fsync: bool = True

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.home / "data"

    @property
    def port(self) -> int:
        """The TCP port, chosen when the cluster was made."""
        return int(json.loads((self.home / "port.json").read_text())["port"])

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
        if not (self.data / "PG_VERSION").is_file():
            return None
        done = self._try("pg_ctl", "status", "-D", str(self.data))
        if done.returncode:
            return None
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def start(self) -> None:
        """Start the server, making its cluster first if there is none; it outlives this process.

        :raises LocalServerError: with the end of the server's log.
        """
        if self.pid is not None:
            return
        if not (self.data / "PG_VERSION").is_file():
            self._make()
        elif not _is_free(self.port):
            self._choose_port()
        self._start()
        if not (self.data / "standby.signal").exists():
            self._create_database()

    def clone(self, primary: Cluster) -> None:
        """Make this cluster a standby of another, which must be running."""
        self._new_home()
        source = f"host=127.0.0.1 port={primary.port} user=postgres"
        self._run("pg_basebackup", "-D", str(self.data), "-R", "-c", "fast", "-d", source)

    def stop(self) -> None:
        """Stop the server, if it runs."""
        if self.pid is not None:
            self._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(self.data))

    def reset(self) -> None:
        """Stop the server and throw its data away."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _make(self) -> None:
        self._new_home()
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "--auth=trust", "--locale=C.UTF-8", "-E", "UTF8")
        with (self.data / "postgresql.conf").open("a") as configuration:
            configuration.write(_CONFIGURATION)

    def _new_home(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        self.home.mkdir(parents=True, exist_ok=True)
        self._choose_port()
        account = unprivileged()
        if account is not None:
            os.chown(self.home, account.pw_uid, account.pw_gid)

    def _choose_port(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            (self.home / "port.json").write_text(json.dumps({"port": probe.getsockname()[1]}))

    def _start(self) -> None:
        sockets = Path(tempfile.gettempdir())
        options = f"-p {self.port} -k {sockets}" + ("" if self.fsync else " -F")
        log = self.home / "server.log"
        done = self._try("pg_ctl", "start", "-w", "-D", str(self.data), "-l", str(log), "-o", options)
        if done.returncode:
            said = log.read_text().strip().splitlines()[-5:] if log.is_file() else [done.stderr.strip()]
            raise LocalServerError(
                "the local server did not start:\n" + "\n".join(said),
                hint=f"see {log}; `tsext localdb reset` throws its data away and starts anew",
            )

    def _create_database(self) -> None:
        import psycopg2

        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres", dbname="postgres")
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {DATABASE}")
        connection.close()

    def _run(self, program: str, *arguments: str) -> None:
        done = self._try(program, *arguments)
        if done.returncode:
            raise LocalServerError(
                f"{program} failed: {(done.stderr or done.stdout).strip()}",
                hint="`tsext localdb reset` throws the local data away and starts anew",
            )

    def _try(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        account = unprivileged()
        who = {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            # files, not pipes: the server would keep a pipe open after pg_ctl has ended
            done = subprocess.run(
                [str(self.bindir / program), *arguments],
                stdout=out,
                stderr=err,
                stdin=subprocess.DEVNULL,
                cwd="/",
                check=False,
                **who,  # type: ignore[call-overload]
            )
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, out.read(), err.read())


def unprivileged() -> pwd.struct_passwd | None:
    """The account to run PostgreSQL as if we are root, whom it refuses; None if we are not."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise LocalServerError(
        "PostgreSQL refuses to run as root, and there is no account postgres or nobody",
        hint="run this as an ordinary user",
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that are being closed do not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
