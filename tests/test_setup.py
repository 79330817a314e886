"""Setting up on a machine's own terms: made-up interpreters, no network, no install."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("sh", "bash", "cat", "cksum", "dirname", "mv", "rm", "env")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")

# Runs what it is asked with the version it claims; makes environments whose python is its like.
FAKE = """\
#!{runner} -I
import pathlib, shutil, sys, sysconfig
base = {base!r}
word = sys.argv[1:]
if word[:2] == ["-I", "-c"]:
    sys.version_info = {version!r}
    sys._base_executable = base
    for missing in {missing!r}:
        sys.modules[missing] = None
    threads = {{"Py_GIL_DISABLED": {free_threaded!r}}}
    sysconfig.get_config_var = threads.get
    exec(word[2])
elif word[:2] == ["-m", "venv"]:
    bin = pathlib.Path(word[2], "bin")
    bin.mkdir(parents=True)
    shutil.copy(sys.argv[0], bin / "python")
elif word[:2] == ["-m", "pip"] and "install" in word:
    log = pathlib.Path({log!r})
    log.write_text((log.read_text() if log.exists() else "") + " ".join(word[2:]) + "\\n")
    sys.exit(pathlib.Path({log!r} + ".fails").exists())
"""


class Machine:
    """A folder that stands for a machine: PATH, home, and made-up interpreters."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.path = [folder / "first", folder / "second", folder / "tools"]
        for made in (self.home, *self.path):
            made.mkdir()
        for tool in TOOLS:
            where = shutil.which(tool)
            assert where is not None
            (folder / "tools" / tool).symlink_to(where)
        self.log = folder / "pip.log"

    def python(
        self,
        place: str,
        version: tuple[int, int] = (3, 12),
        missing: tuple[str, ...] = (),
        free_threaded: int = 0,
    ) -> str:
        """Put an interpreter of that version at `place` inside the folder; return its path."""
        path = self.folder / place
        content = FAKE.format(
            runner=sys.executable,
            base=str(path),
            version=(*version, 1, "final", 0),
            missing=missing,
            free_threaded=free_threaded,
            log=str(self.log),
        )
        return self.script(place, content)

    def script(self, place: str, content: str) -> str:
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755)
        return str(path)

    def shim(self, place: str) -> str:
        """Put what pyenv leaves for a version that is not selected: it says so and fails."""
        return self.script(place, "#!/bin/sh\necho 'command not found' >&2\nexit 127\n")

    def run(self, script: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": ":".join(map(str, self.path)), "HOME": str(self.home), **variables}
        return subprocess.run(
            [str(script)],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def find(self, **variables: str) -> str:
        found = self.run(ROOT / ".ci" / "find_python", **variables)
        assert found.returncode == 0, found.stderr
        return found.stdout.removesuffix("\n")

    @property
    def installs(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_finds_pyenvs_version_behind_a_default_that_is_too_old_and_a_shim(machine):
    machine.python("first/python3", (3, 11))
    machine.shim("first/python3.12")
    right = machine.python("home/.pyenv/versions/3.12.1/bin/python")
    assert machine.find() == right


def test_pyenv_root_says_where_pyenv_is(machine):
    right = machine.python("elsewhere/versions/3.13.0/bin/python", (3, 13))
    assert machine.find(PYENV_ROOT=str(machine.folder / "elsewhere")) == right


def test_a_name_that_fails_hides_no_other_of_the_same_name(machine):
    machine.shim("first/python3.13")
    right = machine.python("second/python3.13", (3, 13))
    assert machine.find() == right


def test_a_versioned_name_goes_before_the_plain_one_and_pyenv_after_both(machine):
    plain = machine.python("first/python3", (3, 14))
    machine.python("home/.pyenv/versions/3.12.1/bin/python")
    assert machine.find() == plain
    versioned = machine.python("second/python3.13", (3, 13))
    assert machine.find() == versioned


def test_the_variable_goes_before_all(machine):
    machine.python("first/python3.12")
    asked = machine.python("own/python", (3, 14))
    assert machine.find(PYTHON=asked) == asked


def test_the_variable_may_be_a_name_on_path_or_in_pyenv(machine):
    machine.python("first/python3.12")
    by_name = machine.python("second/python3.13", (3, 13))
    in_pyenv = machine.python("home/.pyenv/versions/3.14.2/bin/python3.14", (3, 14))
    assert machine.find(PYTHON="python3.13") == by_name
    assert machine.find(PYTHON="python3.14") == in_pyenv


def test_a_variable_that_is_of_no_use_is_noted_and_passed_over(machine):
    right = machine.python("first/python3.12")
    old = machine.python("own/python", (3, 11))
    found = machine.run(ROOT / ".ci" / "find_python", PYTHON=old)
    assert found.stdout == right + "\n"
    assert found.stderr.count("\n") == 1
    assert old in found.stderr


@pytest.mark.parametrize(
    "unfit",
    [
        {"version": (3, 11)},
        {"version": (3, 15)},
        {"missing": ("ensurepip",)},
        {"missing": ("venv",)},
        {"free_threaded": 1},
    ],
    ids=["too old", "too new", "no ensurepip", "no venv", "free-threaded"],
)
def test_what_cannot_be_used_is_passed_over(machine, unfit):
    machine.python("first/python3.12", **unfit)
    right = machine.python("second/python", (3, 14))
    assert machine.find() == right


def test_uv_is_asked_last(machine):
    managed = machine.python("uv/python3.12")
    machine.script("first/uv", f'#!/bin/sh\n[ "$1 $2" = "python find" ] && echo {managed}\n')
    assert machine.find() == managed
    other = machine.python("home/.pyenv/versions/3.13.1/bin/python", (3, 13))
    assert machine.find() == other


def test_with_none_one_line_says_what_to_install(machine):
    machine.python("first/python3", (3, 11))
    machine.shim("first/python3.12")
    machine.script("first/uv", "#!/bin/sh\nexit 2\n")
    found = machine.run(ROOT / ".ci" / "find_python")
    assert found.returncode == 2
    assert found.stdout == ""
    assert found.stderr.startswith("error: ")
    assert "3.12" in found.stderr
    assert "install" in found.stderr
    assert found.stderr.count("\n") == 1


@pytest.fixture
def checkout(machine: Machine) -> Path:
    """A folder with what setting up reads."""
    folder = machine.folder / "checkout"
    shutil.copytree(ROOT / ".ci", folder / ".ci")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def setup(machine: Machine, checkout: Path, **variables: str) -> int:
    return machine.run(checkout / ".ci" / "setup", **variables).returncode


def test_installs_once_with_the_exact_versions(machine, checkout):
    machine.python("first/python3.12")
    assert setup(machine, checkout) == 0
    assert setup(machine, checkout) == 0
    (command,) = machine.installs
    assert "-c constraints.txt -e .[test,bench]" in command


def test_changed_requirements_are_installed_over_what_is_there(machine, checkout):
    machine.python("first/python3.12")
    setup(machine, checkout)
    (checkout / ".venv" / "mine").touch()
    with (checkout / "constraints.txt").open("a") as file:
        file.write("# changed\n")
    assert setup(machine, checkout) == 0
    assert len(machine.installs) == 2
    assert (checkout / ".venv" / "mine").exists()
    assert setup(machine, checkout) == 0
    assert len(machine.installs) == 2


def test_an_install_cut_short_is_done_again_from_nothing(machine, checkout):
    machine.python("first/python3.12")
    fails = Path(f"{machine.log}.fails")
    fails.touch()
    assert setup(machine, checkout) != 0
    (checkout / ".venv" / "half").touch()
    fails.unlink()
    assert setup(machine, checkout) == 0
    assert len(machine.installs) == 2
    assert not (checkout / ".venv" / "half").exists()


def test_a_broken_environment_is_made_anew(machine, checkout):
    machine.python("first/python3.12")
    setup(machine, checkout)
    machine.shim("checkout/.venv/bin/python")
    assert setup(machine, checkout) == 0
    assert len(machine.installs) == 2
    assert setup(machine, checkout) == 0
    assert len(machine.installs) == 2


def test_another_python_asked_for_makes_another_environment(machine, checkout):
    machine.python("first/python3.12")
    asked = machine.python("own/python", (3, 13))
    setup(machine, checkout)
    assert setup(machine, checkout, PYTHON=asked) == 0
    assert len(machine.installs) == 2
    assert setup(machine, checkout, PYTHON=asked) == 0
    assert setup(machine, checkout) == 0
    assert len(machine.installs) == 2


def test_uv_installs_where_it_can_and_pip_where_it_cannot(machine, checkout):
    machine.python("first/python3.12")
    seen = machine.folder / "uv.log"
    uv = machine.script("first/uv", f'#!/bin/sh\necho "$@" >>{seen}\n')
    assert setup(machine, checkout) == 0
    assert "-c constraints.txt -e .[test,bench]" in seen.read_text()
    assert machine.installs == []
    Path(uv).write_text("#!/bin/sh\nexit 1\n")
    (checkout / "constraints.txt").write_text("")
    assert setup(machine, checkout) == 0
    assert len(machine.installs) == 1


def test_without_python_nothing_is_made(machine, checkout):
    assert setup(machine, checkout) == 2
    assert not (checkout / ".venv").exists()


def test_the_recorded_data_is_named_where_it_is_at_hand(machine, checkout):
    machine.script(
        "first/make",
        '#!/bin/sh\necho "$* ${OF_NAUTILUS_REAL_DATA-none} ${OF_NAUTILUS_SPEC-none}"\nexit 7\n',
    )
    done = machine.run(checkout / ".ci" / "run")
    assert (done.stdout, done.returncode) == ("test none none\n", 7)
    data = machine.folder / "shared" / "data"
    data.mkdir(parents=True)
    assert machine.run(checkout / ".ci" / "run").stdout == f"test {data} none\n"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("demo", "-m of_nautilus demo --json out.json"),
        ("test", "-m pytest -q -p tests.plugin -n 4 --json out.json"),
        ("bench", "-m benchmarks --json out.json"),
    ],
)
def test_arguments_are_passed_on(target, command):
    # Without what a make around this one tells its children.
    env = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    done = subprocess.run(
        ["make", "--dry-run", target, "ARGS=--json out.json"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines[0] == ".ci/setup"
    # What failed is looked at after it.
    assert lines[-1].partition(" || ")[0].endswith(command)


def test_every_exact_version_is_a_version_and_names_no_address():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, _, version = line.partition("==")
            assert name, line
            assert version, line
            assert "://" not in line
