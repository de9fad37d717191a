"""The file of a fleet: which databases there are, how they are reached, and how they are rolled out to."""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import URL

from tsext.errors import SettingsError, TargetsError, TsextError
from tsext.fleet import directory, urls
from tsext.fleet.limits import Limits
from tsext.fleet.places import Place, Places, places
from tsext.settings import ENVIRONMENTS

_TARGET: dict[str, Any] = {"name": str, "url": str, "labels": list, "canary": bool, "environment": str}
_GROUP: dict[str, Any] = {
    "template": str, "names": list, "query": str, "url": str, "labels": list, "canaries": list, "environment": str
}  # fmt: skip
_TABLES: dict[str, dict[str, Any]] = {"target": _TARGET, "group": _GROUP}
_OWN: dict[str, Any] = {
    "concurrency": int,
    "max_failures": (int, str),
    "canaries": int,
    "bake": str,
    "target": list,
    "group": list,
}
"""What may stand in each table, and of which type."""

_TYPES = {str: "a text", list: "a list", bool: "true or false", int: "a number", (int, str): "a number or a percentage"}


@dataclass(frozen=True)
class Target:
    """One database of the fleet."""

    name: str
    url: URL
    labels: tuple[str, ...] = ()
    canary: bool = False
    environment: str | None = None
    """Its environment (``-x env=`` wins); None: as a single upgrade would have it."""


@dataclass(frozen=True)
class Wanted:
    """Which targets are meant; all of them, if nothing is said."""

    only: Sequence[str] = ()
    """Names, or patterns as the shell has them."""
    labels: Sequence[str] = ()
    """Labels, each of which a target must have."""


@dataclass(frozen=True)
class Fleet:
    """The targets and the limits that a file declares."""

    targets: tuple[Target, ...]
    limits: Limits


def read(path: Path, wanted: Wanted | None = None) -> Fleet:
    """The fleet of a file; of the targets those that are wanted, in the order of the file.

    Environment variables are looked up for those only. The queries of groups are sent.

    :raises TargetsError: naming the line.
    """
    try:
        text = path.read_text("utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise TargetsError(f"{path} cannot be read: {error.strerror}", hint="name another with --targets") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TargetsError(f"{path} is no TOML: {error}", hint="see docs/fleet.md for an example") from error
    file = _File(path, text, data)
    file.check()
    return Fleet(_chosen(file, wanted or Wanted()), file.limits)


@dataclass(frozen=True)
class _Entry:
    """A target as it is written, its URL not filled in yet."""

    target: Target
    place: Place
    url: str
    fields: dict[str, str] | None = None


@dataclass(frozen=True)
class _File:
    path: Path
    text: str
    data: dict[str, Any] = field(repr=False)

    def fault(self, place: Place, message: str, hint: str) -> NoReturn:
        """Refuse what stands there.

        :raises TargetsError: with the line of the key, or of its table if it is not there.
        """
        raise TargetsError(f"{self.path}:{self.line(place)}: {message}", hint=hint) from None

    def line(self, place: Place) -> int:
        """Of a key, or of its table if it is not there."""
        return self.places.get(place) or self.places.get(place.at("")) or self.places.get(Place("", key=place.table), 1)

    @cached_property
    def places(self) -> Places:
        """Where everything stands."""
        return places(self.text)

    @property
    def limits(self) -> Limits:
        """Those of the file."""
        given = {key: value for key, value in self.data.items() if key not in _TABLES}
        limits = Limits()
        for key, value in given.items():
            try:
                limits = replace(limits, **Limits.parsed(key, str(value)))
            except SettingsError as error:
                self.fault(Place("", key=key), error.message, error.hint)
        return limits

    def check(self) -> None:
        """Keys and types of all tables."""
        self._check_table(Place(""), self.data, _OWN)
        for table, known in _TABLES.items():
            for index, each in enumerate(self.data.get(table, [])):
                if not isinstance(each, dict):
                    place = Place("", key=table)
                    self.fault(place, f"{table} is no table", f"write [[{table}]], and its keys below it")
                self._check_table(Place(table, index), each, known)

    def _check_table(self, place: Place, table: dict[str, Any], known: dict[str, Any]) -> None:
        for key, value in table.items():
            if key not in known:
                self.fault(place.at(key), f"unknown key {key!r}", f"it may be: {', '.join(known)}")
            wrong = not isinstance(value, known[key]) or (isinstance(value, bool) and known[key] is not bool)
            if wrong or (place.table and known[key] is list and not all(isinstance(each, str) for each in value)):
                of = " of texts" if known[key] is list else ""
                self.fault(place.at(key), f"{key} is {value!r}", f"give {_TYPES[known[key]]}{of}")
        if table.get("environment", ENVIRONMENTS[0]) not in ENVIRONMENTS:
            hint = f"use one of: {', '.join(ENVIRONMENTS)}"
            self.fault(place.at("environment"), f"there is no environment {table['environment']!r}", hint)

    def entries(self) -> Iterator[_Entry]:
        """All targets, as they are written: first the single ones, then those of groups."""
        for index, each in enumerate(self.data.get("target", [])):
            for key in ("name", "url"):
                if not each.get(key):
                    self.fault(Place("target", index, key), f"a target has no {key}", f'write: {key} = "…"')
            canary = each.get("canary", False)
            yield self._entry(Place("target", index, "name"), each["name"], each["url"], canary=canary)
        for index, each in enumerate(self.data.get("group", [])):
            yield from self._of_group(index, each)

    def _of_group(self, index: int, group: dict[str, Any]) -> Iterator[_Entry]:
        place = Place("group", index, "template")
        if not group.get("template"):
            self.fault(place, "a group has no template", 'write: template = "postgresql://…/{name}"')
        if ("names" in group) == ("query" in group):
            self.fault(place, "a group has either names or a query", 'write: names = ["…", "…"], or query and url')
        canaries = group.get("canaries", [])
        rows = [{"name": name} for name in group["names"]] if "names" in group else self._rows_of_query(index, group)
        unknown = sorted({*canaries} - {row["name"] for row in rows})
        if unknown:
            fact = f"canaries has {unknown[0]!r}, which the group has not"
            self.fault(place.at("canaries"), fact, "correct the name, or delete it")
        for row in rows:
            yield self._entry(place, row["name"], group["template"], fields=row, canary=row["name"] in canaries)

    def _rows_of_query(self, index: int, group: dict[str, Any]) -> list[dict[str, str]]:
        place = Place("group", index, "query")
        if not group.get("url"):
            self.fault(place, "a query has no url", 'say where to send it: url = "postgresql://…"')
        try:
            return directory.rows(urls.filled_in(group["url"]), group["query"])
        except TsextError as error:
            self.fault(place, error.message, error.hint)

    def _entry(self, place: Place, name: str, url: str, *, canary: bool, **how: Any) -> _Entry:
        said = self.data[place.table][place.number]
        labels = tuple(said.get("labels", ()))
        target = Target(name, _NOT_YET, labels, canary, said.get("environment"))
        return _Entry(target, place, url, **how)

    def filled_in(self, entry: _Entry) -> Target:
        """The target, with its URL."""
        try:
            return replace(entry.target, url=urls.filled_in(entry.url, entry.fields))
        except SettingsError as error:
            key = "url" if entry.place.table == "target" else "template"
            self.fault(entry.place.at(key), f"{entry.target.name}: {error.message}", error.hint)


_NOT_YET = URL.create("postgresql")


def _chosen(file: _File, wanted: Wanted) -> tuple[Target, ...]:
    entries = sorted(file.entries(), key=lambda each: file.line(each.place))
    if not entries:
        raise TargetsError(f"{file.path} has no targets", hint="add a [[target]] with name and url, or a [[group]]")
    _refuse_twice(file, entries)
    chosen = [each for each in entries if _is_wanted(each.target, wanted)]
    for pattern in wanted.only:
        if not any(fnmatch.fnmatchcase(each.target.name, pattern) for each in entries):
            raise TargetsError(f"no target is named {pattern}", hint=f"see the names in {file.path}")
    if not chosen:
        raise TargetsError(f"no target has the labels {', '.join(wanted.labels)}", hint=f"see {file.path}")
    targets = [file.filled_in(each) for each in chosen]
    _refuse_same_database(file, chosen, targets)
    return tuple(targets)


def _is_wanted(target: Target, wanted: Wanted) -> bool:
    named = not wanted.only or any(fnmatch.fnmatchcase(target.name, pattern) for pattern in wanted.only)
    return named and set(wanted.labels) <= set(target.labels)


def _refuse_twice(file: _File, entries: list[_Entry]) -> None:
    seen: set[str] = set()
    for each in entries:
        if each.target.name in seen:
            file.fault(each.place, f"a second target is named {each.target.name!r}", "give each a name of its own")
        seen.add(each.target.name)


def _refuse_same_database(file: _File, entries: list[_Entry], targets: list[Target]) -> None:
    seen: dict[Any, str] = {}
    for entry, target in zip(entries, targets, strict=True):
        url = target.url
        database = (url.host, url.port, url.database, *sorted(url.query.items()))
        if database in seen:
            fact = f"{target.name} is the same database as {seen[database]}"
            file.fault(entry.place, fact, "one database is one target: correct the URL, or delete one of them")
        seen[database] = target.name
