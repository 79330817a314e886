"""Who may import whom, and what the inside may not touch: read from the source, nothing is run."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "of_nautilus"

PURE = {"core", "patterns", "decision", "engine"}
INSIDE = PURE | {"indicators", "data", "config", "instruments", "orders"}
SHELLS = {"actor", "strategy", "journal", "alerts"}
EDGE = {
    *("ingest", "model", "report", "dashboard", "demo", "backtest", "cli"),
    *("scan", "midprice", "outcomes", "calibrate", "scanner", "live", "host_config"),
}

# A unit is a module or folder right under the package; each may import itself and these.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "compiled": set(),
    "files": {"errors"},
    "core": set(),
    "patterns": {"core"},
    "decision": {"core"},
    "engine": {"core", "patterns", "decision"},
    "instruments": PURE | {"errors"},
    "config": PURE | {"instruments", "errors"},
    "data": PURE | {"config", "instruments", "errors"},
    "orders": PURE,
    "indicators": PURE | {"config", "data", "instruments", "errors"},
    **{shell: INSIDE | {"errors", "model"} for shell in SHELLS},
    **{edge: INSIDE | SHELLS | EDGE - {"cli"} | {"errors", "files"} for edge in EDGE},
    "__main__": {"cli"},
}

LIBRARIES_OF_THE_PURE = {"numpy", "numba", "msgspec"}
# Clocks, chance, input and output, the host's threads.
DENIED_TO_THE_PURE = {
    *("asyncio", "concurrent", "io", "logging", "multiprocessing", "os", "pathlib", "random"),
    *("secrets", "shutil", "socket", "subprocess", "tempfile", "threading", "time", "urllib"),
}

# What is installed under another name than it is imported by.
INSTALLED_AS = {"telegram": "python-telegram-bot", "PIL": "pillow"}

SOURCES = sorted((ROOT / PACKAGE).rglob("*.py"))


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in SOURCES}


def unit(name: str) -> str:
    """The unit that a module of ours belongs to; the package's own init is nobody's."""
    return name.split(".")[1] if "." in name else ""


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module that a file imports, anywhere in it; `from a import b` may import a.b."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module)
    return frozenset(found)


def ours(path: Path) -> set[str]:
    return {name for name in imports(path) if name.split(".")[0] == PACKAGE}


def loaded_by(names: set[str]) -> set[str]:
    """The modules of ours that are loaded with these, their packages and all they import."""
    loaded: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in loaded or name not in MODULES:
            continue
        loaded.add(name)
        waiting.append(name.rpartition(".")[0])
        waiting.extend(ours(MODULES[name]))
    return loaded


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Each call in a file with the dotted name of what it calls."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_every_unit_has_its_place():
    assert {unit(name) for name in MODULES} - {""} <= MAY_IMPORT.keys()


def test_each_unit_imports_only_what_it_may():
    seen = {
        (unit(name), unit(other))
        for name, path in MODULES.items()
        for other in ours(path)
        if unit(name) and unit(other) not in {"", unit(name)}
    }
    wrong = {(one, other) for one, other in seen if other not in MAY_IMPORT[one]}
    assert not wrong


@pytest.mark.parametrize("name", sorted(name for name in MODULES if unit(name) in PURE))
def test_the_inside_is_pure(name):
    roots = {other.split(".")[0] for other in imports(MODULES[name])} - {PACKAGE}
    assert roots <= LIBRARIES_OF_THE_PURE | sys.stdlib_module_names - DENIED_TO_THE_PURE


def test_every_library_that_is_imported_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = {re.split(r"[<>=!~;\[ ]", line)[0] for names in lists for line in names}
    roots = {name.split(".")[0] for path in SOURCES for name in imports(path)}
    foreign = roots - sys.stdlib_module_names - {PACKAGE}
    assert {INSTALLED_AS.get(name, name) for name in foreign} <= declared


def test_what_a_live_node_loads_knows_no_labels_and_no_training():
    live = {name for name in MODULES if unit(name) in INSIDE | SHELLS | {"live"}}
    assert loaded_by(live).isdisjoint({f"{PACKAGE}.model.labels", f"{PACKAGE}.model.training"})


def test_help_loads_no_more_than_the_frame():
    loaded = loaded_by({f"{PACKAGE}.__main__"})
    assert {unit(name) for name in loaded} <= {"", "__main__", "cli", "compiled", "errors", "files"}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_only_the_command_line_prints(name):
    prints = [call.lineno for called, call in calls(MODULES[name]) if called == "print"]
    assert not prints or unit(name) == "cli"


# How old a message is can be told by the clock alone that its service has dated it by.
OF_THE_DAY = {"of_nautilus.alerts.reader"}


@pytest.mark.parametrize(
    "name", sorted(n for n in MODULES.keys() - OF_THE_DAY if unit(n) in INSIDE | SHELLS)
)
def test_no_wall_clock(name):
    clock = re.compile(r"\b(time\.(time|time_ns|monotonic\w*|perf_counter\w*)|\w+\.(utc)?now)$")
    assert [called for called, _ in calls(MODULES[name]) if clock.search(called)] == []


def test_no_fastmath():
    loose = [
        f"{path}:{call.lineno}"
        for path in SOURCES
        for _, call in calls(path)
        if any(keyword.arg == "fastmath" for keyword in call.keywords)
    ]
    assert loose == []


def test_no_path_of_a_machine():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    path = re.compile(rb"/(?:home|root|Users)/[\w.]")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert files
    assert [f for f in files if f.is_file() and path.search(f.read_bytes())] == []
