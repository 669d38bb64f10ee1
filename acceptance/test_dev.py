"""``./dev`` sets up once, says what it lacks, and survives being killed or started twice.

The script is the real one in a directory of its own; the interpreter that it finds is a stand-in that writes down what
is asked of it, so that no test needs a package index.  The real set-up is what brought this test here.
"""

import os
import platform
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
PATIENCE = 180
"""Seconds for what takes less than one, on a machine that is busy with other things."""

# Behaves as far as ./dev looks: tells its version, makes environments, and "installs".
PYTHON = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
  *sys.version_info*) [ -z "${TOO_OLD:-}" ] || exit 1; echo "$INTERPRETER" ;;
  *python_version*) echo 3.12.4 ;;
  *"import ensurepip"*) [ -z "${NO_VENV:-}" ] ;;
  *"-m venv"*)
    for last; do :; done
    rm -rf "$last"; mkdir -p "$last/bin"; ln -s "$INTERPRETER" "$last/bin/python"
    printf '#!/bin/sh\\necho "loops $*"\\n' >"$last/bin/loops"
    printf '#!/bin/sh\\necho "pytest $*"; exit "${PYTEST_EXIT:-0}"\\n' >"$last/bin/pytest"
    printf '#!/bin/sh\\nexit "${LINT_EXIT:-0}"\\n' >"$last/bin/ruff"
    cp "$last/bin/ruff" "$last/bin/mypy"
    chmod +x "$last"/bin/* ;;
  *machine/root.py*) [ -z "${NO_NETWORK:-}" ] || { echo "machine: the mirror is away" >&2; exit 1; } ;;
  *agents/install.py*--check*) exit "${AGENTS_MISSING:-0}" ;;
  *agents/install.py*) [ -z "${NO_NETWORK:-}" ] || { echo "agents: without pi" >&2; exit 1; } ;;
  *--editable*)
    if [ -n "${GATE:-}" ]; then echo $$ >"$GATE.in"; read -r _ <"$GATE"; fi
    [ -z "${NO_NETWORK:-}" ] || { echo "ERROR: No matching distribution found for rich"; exit 1; } ;;
esac
"""

# All that ./dev may use of the machine, besides what it is tested for.
TOOLS = [
    "sh", "dash", "cat", "chmod", "cp", "date", "dirname", "env", "flock",
    "grep", "id", "ln", "mkdir", "readlink", "rm", "sed", "sha256sum", "tail", "uname",
]  # fmt: skip

OPTIONAL = (
    *("bwrap", "cc", "chromium"),
    *("systemd-analyze", "mmdebstrap", "mke2fs", "systemd-nspawn", f"qemu-system-{platform.machine()}"),
)


class Checkout:
    """A directory with ./dev in it, and a PATH that holds only what the test puts there."""

    def __init__(self, top):
        self.root = top / "check out"  # every path in the script must be quoted
        self.bin = top / "bin"
        self.calls = top / "calls"
        self.root.mkdir()
        self.bin.mkdir()
        shutil.copy(CHECKOUT / "dev", self.root)
        (self.root / "pyproject.toml").write_text("# one\n")
        for tool in TOOLS:
            if found := shutil.which(tool):
                (self.bin / tool).symlink_to(found)
        for tool in ("tmux", "git", *OPTIONAL, "npm"):
            self.provide(tool, "#!/bin/sh\n")
        self.provide("python3", PYTHON)

    def provide(self, name, script):
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(script)
        path.chmod(0o755)

    def environment(self, **more):
        return {"PATH": str(self.bin), "CALLS": str(self.calls), "INTERPRETER": str(self.bin / "python3"), **more}

    def start(self, *words, **more):
        return subprocess.Popen(
            [self.root / "dev", *words],
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            start_new_session=True,
        )

    def run(self, *words, **more):
        process = self.start(*words, **more)
        out, err = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def asked(self, what):
        return sum(what in line for line in self.calls.read_text().splitlines()) if self.calls.exists() else 0

    @property
    def installations(self):
        return self.asked("--editable")

    @property
    def environments(self):
        return self.asked("-m venv")


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


def wait_for(condition, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.01)


def test_the_scripts_are_plain_posix_shell():
    for script in ("dev", ".ci/run"):
        subprocess.run([shutil.which("dash") or "sh", "-n", CHECKOUT / script], check=True)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_the_scripts_are_clean_by_shellcheck():
    done = subprocess.run(["shellcheck", "dev", ".ci/run"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_first_run_sets_up_and_the_second_asks_nothing_of_anybody(checkout):
    first = checkout.run("demo", "--fast")
    assert (first.returncode, first.stdout) == (0, "loops demo --fast\n")
    assert (checkout.environments, checkout.installations) == (1, 1)
    calls = checkout.calls.read_text()

    second = checkout.run("demo", NO_NETWORK="1", TOO_OLD="1")

    assert (second.returncode, second.stdout, second.stderr) == (0, "loops demo\n", "")
    assert checkout.calls.read_text() == calls


def test_a_changed_pyproject_installs_again_into_the_same_environment(checkout):
    checkout.run("setup")
    (checkout.root / "pyproject.toml").write_text("# two\n")
    assert checkout.run("setup").returncode == 0
    assert (checkout.environments, checkout.installations) == (1, 2)


def test_a_moved_checkout_gets_a_new_environment(checkout):
    checkout.run("setup")
    checkout.root = checkout.root.rename(checkout.root.with_name("moved"))
    assert checkout.run("setup").returncode == 0
    assert checkout.environments == 2


def test_a_vanished_interpreter_gets_a_new_environment(checkout):
    checkout.run("setup")
    python = checkout.root / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3.11")
    assert checkout.run("setup").returncode == 0
    assert checkout.environments == 2


def test_a_failed_installation_says_why_and_is_tried_again(checkout):
    failed = checkout.run("demo", NO_NETWORK="1")
    assert failed.returncode == 1
    assert "No matching distribution found for rich" in failed.stderr
    assert "pip config list" in failed.stderr
    assert str(checkout.root / ".cache" / "dev.log") in failed.stderr

    assert checkout.run("demo").stdout == "loops demo\n"
    assert (checkout.environments, checkout.installations) == (1, 2)


def test_two_at_once_set_up_once(checkout, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    first = checkout.start("setup", GATE=str(gate))
    wait_for(gate.with_suffix(".in").exists)  # inside pip, the lock held
    second = checkout.start("setup")
    assert "waiting for another ./dev" in second.stderr.readline()

    gate.write_text("go\n")

    assert first.wait(timeout=PATIENCE) == 0
    assert second.wait(timeout=PATIENCE) == 0
    assert (checkout.environments, checkout.installations) == (1, 1)
    for process in (first, second):
        process.communicate()


def test_a_set_up_killed_half_way_is_done_again_and_its_lock_does_not_stay(checkout, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    first = checkout.start("setup", GATE=str(gate))
    wait_for(gate.with_suffix(".in").exists)
    os.killpg(first.pid, signal.SIGKILL)  # a session of its own: the group holds only what it started
    first.communicate()

    again = checkout.run("setup")

    assert again.returncode == 0
    assert checkout.installations == 2


def test_an_interpreter_that_answers_nothing_is_passed_over(checkout):
    # pyenv: a shim for a version that is installed, but not chosen in this directory
    checkout.provide("python3.13", "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n")
    done = checkout.run("setup")
    assert done.returncode == 0
    assert str(checkout.bin / "python3") in done.stderr


@pytest.mark.parametrize("named", [{}, {"LOOPS_PYTHON": "python3"}])
def test_without_a_new_enough_python_it_says_what_to_type(checkout, named):
    done = checkout.run("setup", TOO_OLD="1", **named)
    assert done.returncode == 1
    assert "Python 3.11 or newer" in done.stderr
    assert ("LOOPS_PYTHON=python3" if named else "sudo apt-get install python3 python3-venv") in done.stderr
    assert checkout.environments == 0


def test_a_missing_tool_that_cannot_be_installed_is_a_command_to_type(checkout):
    (checkout.bin / "tmux").unlink()
    done = checkout.run("demo")
    assert done.returncode == 1
    assert "sudo apt-get install tmux" in done.stderr
    assert "loops demo" not in done.stdout


def test_a_python_without_venv_is_a_command_to_type(checkout):
    done = checkout.run("setup", NO_VENV="1")
    assert done.returncode == 1
    assert "sudo apt-get install python3.12-venv" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root installs without being asked for a password")
def test_missing_packages_are_installed_with_fresh_lists_if_the_stored_ones_do_not_do(checkout, tmp_path):
    (checkout.bin / "tmux").unlink()
    log = tmp_path / "apt"
    checkout.provide(
        "apt-get",
        f"""#!/bin/sh
echo "$*" >>'{log}'
case "$*" in
  *update*) : >'{log}.fresh' ;;
  *install*) [ -f '{log}.fresh' ] || exit 100; printf '#!/bin/sh\\n' >'{checkout.bin}/tmux'; chmod +x '{checkout.bin}/tmux' ;;
esac
""",
    )
    assert checkout.run("setup").returncode == 0
    verbs = [
        next(word for word in line.split() if word in ("install", "update")) for line in log.read_text().splitlines()
    ]
    assert verbs == ["install", "update", "install"]


def test_an_unwritable_checkout_is_named(checkout):
    (checkout.root / ".cache").write_text("in the way\n")  # permissions would not stop root
    done = checkout.run("setup")
    assert done.returncode == 1
    assert f"cannot write to {checkout.root}" in done.stderr


def test_a_full_test_run_lints_and_runs_everything(checkout):
    done = checkout.run("test")
    assert done.returncode == 0
    assert done.stdout.startswith("pytest -q ")
    assert "lint ok, tests passed" in done.stderr


@pytest.mark.parametrize(("tests", "lint", "code"), [("0", "1", 1), ("1", "0", 1), ("3", "1", 3), ("5", "0", 5)])
def test_the_exit_code_is_that_of_pytest_else_of_lint(checkout, tests, lint, code):
    assert checkout.run("test", PYTEST_EXIT=tests, LINT_EXIT=lint).returncode == code


def test_arguments_reach_pytest_word_for_word(checkout):
    done = checkout.run("test", "tests/config", "-k", "a or b", PYTEST_EXIT="4", LINT_EXIT="1")
    assert done.stdout.endswith(" tests/config -k a or b\n")
    assert done.returncode == 4


def test_real_agents_are_installed_only_when_asked_for_and_then_once(checkout):
    assert checkout.run("test").returncode == 0
    assert checkout.asked("install.py") == 0

    first = checkout.run("test", "--real-agents", AGENTS_MISSING="1")
    assert (first.returncode, checkout.asked("install.py")) == (0, 2)
    assert "lint ok, tests passed" in first.stderr
    second = checkout.run("test", "--real-agents", NO_NETWORK="1")
    assert (second.returncode, checkout.asked("install.py")) == (0, 3)
    assert "without pi" not in second.stderr


def test_arguments_after_real_agents_reach_pytest(checkout):
    done = checkout.run("test", "--real-agents", "acceptance/agents", "-k", "codex")
    assert done.stdout.endswith(" acceptance/agents -k codex\n")


def test_real_agents_that_cannot_be_had_are_named_and_the_tests_run(checkout):
    checkout.run("setup")
    done = checkout.run("test", "--real-agents", AGENTS_MISSING="1", NO_NETWORK="1")
    assert done.returncode == 0
    assert "agents: without pi" in done.stderr
    assert "will be skipped" in done.stderr
    assert "tests passed" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root installs without being asked for a password")
def test_node_and_npm_are_installed_where_they_are_missing(checkout, tmp_path):
    (checkout.bin / "npm").unlink()
    log = tmp_path / "apt"
    checkout.provide("apt-get", f"#!/bin/sh\necho \"$*\" >>'{log}'\n")
    assert checkout.run("test", "--real-agents").returncode == 0
    assert not log.exists()  # everything is there
    assert checkout.run("test", "--real-agents", AGENTS_MISSING="1").returncode == 0
    assert log.read_text().splitlines()[0].endswith("nodejs npm")


def test_optional_tools_that_are_missing_are_named_with_the_reason(checkout):
    for tool in OPTIONAL:
        (checkout.bin / tool).unlink()
    first = checkout.run("test")
    second = checkout.run("test")
    assert first.returncode == second.returncode == 0
    for tool in OPTIONAL:
        for run in (first, second):
            assert f"without {tool} (" in run.stderr


def test_a_full_run_provides_the_machine_and_one_with_arguments_does_not(checkout):
    checkout.run("test", "tests/config")
    assert checkout.asked("machine/root.py") == 0
    assert checkout.run("test").returncode == 0
    assert checkout.asked("machine/root.py") == 1


def test_without_a_machine_the_tests_run(checkout):
    checkout.run("setup")
    done = checkout.run("test", NO_NETWORK="1")
    assert done.returncode == 0
    assert "machine: the mirror is away" in done.stderr
    assert "the machine tests will be skipped" in done.stderr
    assert "tests passed" in done.stderr


@pytest.mark.parametrize("words", [[], ["help"], ["--help"]])
def test_help_is_printed_without_any_set_up(checkout, words):
    done = checkout.run(*words)
    assert done.returncode == 0
    assert done.stdout.startswith("usage: ./dev VERB")
    assert not (checkout.root / ".venv").exists()


def test_an_unknown_verb_is_a_usage_error(checkout):
    done = checkout.run("tset")
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage:" in done.stderr
