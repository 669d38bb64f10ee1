"""What an installation holds: built for real, without a network, from a copy of the checkout."""

import importlib.util
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("hatchling") is None, reason="hatchling is not installed (it is in the `test` extra)"
)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy with one more schema and one more prompt, so that an empty directory cannot make a test pass."""
    root = tmp_path_factory.mktemp("source") / "loops"
    root.mkdir()
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(CHECKOUT / name, root)
    for name in ("engine", "schemas", "prompts"):
        if (CHECKOUT / name).is_dir():
            shutil.copytree(CHECKOUT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("schemas/sample.schema.json", "prompts/sample.md"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("{}\n")
    return root


def build(source, where, hook):
    """Call one hook of the build backend and return the wheel."""
    where.mkdir()
    code = f"import hatchling.build, sys; print(hatchling.build.{hook}(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, where], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return where / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def wheel(source):
    return build(source, source.parent / "dist", "build_wheel")


def relative(root, pattern="**/*"):
    return {str(path.relative_to(root)) for path in root.glob(pattern) if path.is_file()}


def test_the_wheel_holds_every_schema_every_prompt_and_every_module(source, wheel):
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {f"loops/{name}" for name in relative(source / "engine" / "loops")}
    expected |= {f"loops/_data/schemas/{name}" for name in relative(source / "schemas")}
    expected |= {f"loops/_data/prompts/{name}" for name in relative(source / "prompts")}
    assert packed == expected


def test_an_editable_installation_is_one_plain_path_and_no_import_hook(source):
    wheel = zipfile.ZipFile(build(source, source.parent / "editable", "build_editable"))
    packed = [name for name in wheel.namelist() if ".dist-info/" not in name]
    assert packed == ["_loops_engine.pth"]
    assert wheel.read(packed[0]).decode().splitlines() == [str(source / "engine")]


def test_a_fresh_environment_runs_the_installed_package_and_finds_its_data(wheel, tmp_path):
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    python = venv / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel]
    subprocess.run(install, check=True, cwd=tmp_path)

    code = "import loops, os; print(os.path.dirname(loops.__file__))"
    answer = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    package = Path(answer.stdout.strip())

    assert package.is_relative_to(venv)
    assert (package / "_data" / "schemas" / "sample.schema.json").is_file()
    assert (package / "_data" / "prompts" / "sample.md").is_file()
    if not (package / "__main__.py").exists():
        pytest.skip("the command line is not written yet: loops/__main__.py")
    for command in ([python, "-I", "-m", "loops"], [venv / "bin" / "loops"]):
        told = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert told.returncode == 0, told.stderr
        assert wheel.name.split("-")[1] in told.stdout
