"""The file of a fleet, the plan of a rollout, and when it stops; without a database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tsext import fleet
from tsext.errors import SettingsError, TargetsError
from tsext.fleet import Limits, Target, Wanted, planned
from tsext.fleet.urls import filled_in, hidden

EXAMPLE = """
max_failures = "5%"
bake = "10min"

[[group]]
template = "postgresql://m:${PASSWORD}@db2/{name}"  # the same server
names = [
    "tenant_1",
    "tenant_2",
]
canaries = ["tenant_2"]
labels = ["tenant"]

[[target]]
name = "eu"
url = "postgresql://m:${PASSWORD}@db1:5433/trading?sslmode=require"
labels = ["shard", "eu"]
canary = true
environment = "staging"
"""


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.setenv("PASSWORD", "p@ss/w:rd")

    def of(text: str, wanted: Wanted | None = None) -> fleet.Fleet:
        path = tmp_path / "targets.toml"
        path.write_text(text)
        return fleet.read(path, wanted)

    return of


def test_targets_are_read_in_the_order_of_the_file(read):
    found = read(EXAMPLE)
    assert found.limits == Limits(max_failures="5%", bake=timedelta(minutes=10))
    assert [(each.name, each.canary, each.labels) for each in found.targets] == [
        ("tenant_1", False, ("tenant",)),
        ("tenant_2", True, ("tenant",)),
        ("eu", True, ("shard", "eu")),
    ]
    first, _, eu = found.targets
    assert (first.url.host, first.url.database, first.url.password) == ("db2", "tenant_1", "p@ss/w:rd")
    assert (eu.url.port, eu.url.query["sslmode"], eu.environment) == (5433, "require", "staging")
    assert "p@ss" not in repr(found)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Wanted(["tenant_*"]), ["tenant_1", "tenant_2"]),
        (Wanted(["eu", "tenant_2"]), ["tenant_2", "eu"]),
        (Wanted(labels=["shard", "eu"]), ["eu"]),
        (Wanted(["*_1"], ["tenant"]), ["tenant_1"]),
    ],
)
def test_only_those_that_are_wanted(read, wanted, names):
    assert [each.name for each in read(EXAMPLE, wanted).targets] == names


def test_variables_of_others_need_not_be_set(read, monkeypatch):
    monkeypatch.delenv("PASSWORD")
    text = EXAMPLE + '\n[[target]]\nname = "open"\nurl = "postgresql://db3/x"\n'
    assert [each.name for each in read(text, Wanted(["open"])).targets] == ["open"]
    with pytest.raises(TargetsError, match=r"targets.toml:16: eu: the environment variable PASSWORD is not set"):
        read(text, Wanted(["eu"]))


TARGET = '[[target]]\nname = "a"\nurl = "postgresql://h/a"\n'


@pytest.mark.parametrize(
    ("text", "line", "fact"),
    [
        (TARGET + '\n[[target]]\nurl = "postgresql://h/b"\n', 5, "a target has no name"),
        (TARGET + '\n[[target]]\nname = "b"\n', 5, "a target has no url"),
        (TARGET + '\n[[target]]\n\nname = "a"\nurl = "postgresql://h/b"\n', 7, "a second target is named 'a'"),
        (TARGET + '[[target]]\nname = "b"\nurl = "postgresql://x@h/a"\n', 5, "b is the same database as a"),
        (TARGET + 'lables = ["x"]\n', 4, "unknown key 'lables'"),
        (TARGET + 'labels = "x"\n', 4, "labels is 'x'"),
        (TARGET + "canary = 1\n", 4, "canary is 1"),
        (TARGET + 'environment = "prod"\n', 4, "there is no environment 'prod'"),
        ('[[target]]\nname = "a"\nurl = "mysql://h/a"\n', 3, "a: the database URL names 'mysql'"),
        ('[[target]]\nname = "a"\nurl = "postgresql://h:port/a"\n', 3, "a: the port of the URL is no number"),
        ("concurrency = true\n" + TARGET, 1, "concurrency is True"),
        ("concurrency = 0\n" + TARGET, 1, "concurrency is '0'"),
        ('\nmax_failures = "many"\n' + TARGET, 2, "max_failures is 'many'"),
        ('bake = "10"\n' + TARGET, 1, "bake is '10'"),
        ("cannaries = 1\n" + TARGET, 1, "unknown key 'cannaries'"),
        ('target = ["a"]\n', 1, "target is no table"),
        ('[[group]]\nnames = ["a"]\n', 1, "a group has no template"),
        ('[[group]]\ntemplate = "postgresql://h/{name}"\n', 2, "a group has either names or a query"),
        ('[[group]]\ntemplate = "postgresql://h/{nam}"\nnames = ["a"]\n', 2, "a: the template has {nam}"),
        ('[[group]]\ntemplate = "postgresql://h/{name}"\nquery = """\nSELECT 1\n"""\n', 3, "a query has no url"),
        ('[[group]]\ntemplate = "x"\nnames = [\n"a"]\n\ncanaries = ["b"]\n', 6, "canaries has 'b'"),
    ],
)
def test_faults_are_told_with_their_line(read, text, line, fact):
    with pytest.raises(TargetsError) as told:
        read(text)
    assert told.value.message.partition("targets.toml")[2].startswith(f":{line}: {fact}")
    assert told.value.hint


def test_faults_of_the_whole_file(read, tmp_path):
    with pytest.raises(TargetsError, match=r"is no TOML: .*line 2"):
        read("[[target]]\nname = \n")
    with pytest.raises(TargetsError, match="has no targets"):
        read("concurrency = 2\n")
    with pytest.raises(TargetsError, match="no target is named b"):
        read(TARGET, Wanted(["b"]))
    with pytest.raises(TargetsError, match="no target has the labels eu"):
        read(TARGET, Wanted(labels=["eu"]))
    with pytest.raises(TargetsError, match="cannot be read: No such file"):
        fleet.read(tmp_path / "none.toml")


def test_what_is_filled_in_stands_for_itself(monkeypatch):
    monkeypatch.setenv("WHOLE", "postgres://u:p%40ss@h:1/d")
    monkeypatch.setenv("HOST", "db-1.internal")
    monkeypatch.setenv("PORT", "5433")
    monkeypatch.setenv("PASSWORD", "a b%20/?#{name}")
    assert filled_in("${WHOLE}").password == "p@ss"
    assert filled_in("${WHOLE}?sslmode=require").query == {"sslmode": "require"}
    url = filled_in("postgresql://u:${PASSWORD}@${HOST}:${PORT}/{name}?password=${PASSWORD}", {"name": "o'neil & co"})
    assert (url.password, url.host, url.port, url.database) == ("a b%20/?#{name}", "db-1.internal", 5433, "o'neil & co")
    assert hidden("fatal: a b%20/?#{name} is wrong", url) == "fatal: *** is wrong"
    assert filled_in("postgresql://h/{name}").database == "{name}"


TARGETS = [Target(f"t{n}", filled_in(f"postgresql://h/{n}"), canary=n in (3, 5)) for n in range(1, 41)]


@pytest.mark.parametrize(
    ("limits", "first"),
    [
        (Limits(), ["t3", "t5"]),
        (Limits(canaries=0), []),
        (Limits(canaries=1), ["t3"]),
        (Limits(canaries=4), ["t1", "t2", "t3", "t5"]),
    ],
)
def test_canaries_come_first(limits, first):
    plan = planned(TARGETS, limits)
    assert [each.name for each in plan.canaries.targets] == first
    assert plan.canaries.allowed == 0
    assert [*plan.canaries.targets, *plan.others.targets] == sorted(TARGETS, key=lambda each: each.name not in first)


@pytest.mark.parametrize(
    ("said", "allowed"), [("0", 0), ("3", 3), ("5%", 2), ("2%", 0), ("2.5%", 1), ("100%", 40), ("0.1%", 0)]
)
def test_so_many_may_fail(said, allowed):
    assert planned(TARGETS, Limits(max_failures=said)).others.allowed == allowed


@pytest.mark.parametrize("said", ["101%", "-1", "5 percent", "%", ""])
def test_shares_that_make_no_sense(said):
    with pytest.raises(SettingsError, match="max_failures is"):
        Limits.parsed("max_failures", said)
