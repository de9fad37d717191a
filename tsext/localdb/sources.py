"""Which mirror of Debian's archive this machine uses, read from the sources of its apt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

DEFAULT = "http://deb.debian.org/debian"

_KEYRING = "debian-archive-keyring"

_SUITE = re.compile(
    r"(buster|bullseye|bookworm|trixie|forky|duke|sid|(old){0,2}stable|testing|unstable)"
    r"(-updates|-backports|-proposed-updates)?"
)

_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>[^#]+)")


@dataclass(frozen=True)
class Archive:
    """One source of packages, from either of apt's two formats."""

    uri: str
    suites: list[str]
    components: list[str]
    signed_by: str = ""

    @property
    def certain(self) -> bool:
        """Signed by Debian: its archive, wherever it is."""
        return self._like_debian() and _KEYRING in self.signed_by

    @property
    def likely(self) -> bool:
        """Looks like Debian's archive, and names no key of somebody else."""
        return self._like_debian() and not self.signed_by and self.uri.rstrip("/").endswith("/debian")

    def _like_debian(self) -> bool:
        """Has Debian's suites, today's, over HTTP: no CD, no list of mirrors, no snapshot of the past."""
        known = "main" in self.components and any(_SUITE.fullmatch(suite) for suite in self.suites)
        return known and self.uri.startswith(("http://", "https://")) and "//snapshot.debian.org/" not in self.uri


def mirror(folder: Path = Path("/etc/apt")) -> str:
    """The mirror that the system's own sources name; Debian's own if they name none of Debian's.

    A vendor's repository, too, may have Debian's suites, a component ``main`` and a URI that ends in ``/debian``: where
    no key tells, only the files that Debian itself writes are believed.
    """
    own = [folder / "sources.list.d" / "debian.sources", folder / "sources.list"]
    others = [path for path in sorted((folder / "sources.list.d").glob("*")) if path not in own]
    of_own = [archive for path in own for archive in _read(path)]
    of_all = [*of_own, *(archive for path in others for archive in _read(path))]
    certain = [archive.uri for archive in of_all if archive.certain]
    likely = [archive.uri for archive in of_own if archive.likely]
    return next(iter([*certain, *likely, DEFAULT]))


def _read(path: Path) -> Iterator[Archive]:
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError:  # not there, or not for us: it may hold a password
        return
    if path.suffix == ".sources":
        yield from _stanzas(text)
    elif path.suffix == ".list":
        yield from _lines(text)


def _stanzas(text: str) -> Iterator[Archive]:
    uncommented = re.sub(r"(?m)^#.*\n?", "", text)
    for stanza in re.split(r"\n\s*\n", uncommented.strip()):
        fields = HeaderParser().parsestr(stanza)
        if "deb" in fields.get("Types", "").split() and fields.get("Enabled", "yes").strip().lower() != "no":
            uris, suites, components = (fields.get(name, "").split() for name in ("URIs", "Suites", "Components"))
            yield from (Archive(uri, suites, components, fields.get("Signed-By", "")) for uri in uris)


def _lines(text: str) -> Iterator[Archive]:
    for line in text.splitlines():
        if found := _LINE.match(line.strip()):
            signed_by = "".join(re.findall(r"signed-by=(\S+)", found["options"] or ""))
            yield Archive(found["uri"], [found["suite"]], found["components"].split(), signed_by)
