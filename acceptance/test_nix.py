"""The flake evaluates, its lock is genuine and stays as it is, and it declares what pyproject.toml declares.

Everything is real but nixpkgs, for which nixos/offline stands in through ``--override-input``.  What that cannot prove,
a build with the pinned nixpkgs, is proven by ``nix flake check`` on a machine with a binary cache.
"""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
PARTS = ["engine", "schemas", "prompts", "tests", "nixos"]
FILES = ["flake.nix", "flake.lock", "pyproject.toml", "LICENSE"]

pytestmark = pytest.mark.skipif(
    shutil.which("nix") is None, reason="nix is not installed (Debian: apt-get install nix-bin)"
)


@pytest.fixture
def flake(tmp_path):
    """A copy of what the flake sees: a flake in a `path:` takes in the whole directory, .venv and all."""
    root = tmp_path / "flake"
    root.mkdir()
    for name in FILES:
        shutil.copy(CHECKOUT / name, root)
    for name in PARTS:
        if (CHECKOUT / name).is_dir():
            shutil.copytree(CHECKOUT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def nix(flake, *words):
    """Run nix with a store and a home of its own, no network, no registry."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(flake.parent),
        "NIX_REMOTE": f"local?root={flake.parent}/store",
        "NIX_CONFIG": "experimental-features = nix-command flakes\nsubstituters =\nflake-registry =\n",
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    return subprocess.run(["nix", *words], cwd=flake, env=environment, capture_output=True, text=True, check=False)


def stand_in(flake):
    return ["--override-input", "nixpkgs", f"path:{flake}/nixos/offline", "--no-write-lock-file"]


def evaluate(flake, *words):
    done = nix(flake, *words, *stand_in(flake))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "file", [*sorted(CHECKOUT.glob("nixos/**/*.nix")), CHECKOUT / "flake.nix"], ids=lambda path: path.name
)
def test_every_nix_file_parses(file):
    done = subprocess.run(["nix-instantiate", "--parse", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_lock_is_complete_read_offline_and_left_as_it_is(flake):
    before = (flake / "flake.lock").read_bytes()
    done = nix(flake, "flake", "metadata", "--json", f"path:{flake}")
    assert done.returncode == 0, done.stderr
    assert (flake / "flake.lock").read_bytes() == before
    locks = json.loads(done.stdout)["locks"]
    locked = locks["nodes"]["nixpkgs"]
    assert locked["original"] == {"type": "github", "owner": "NixOS", "repo": "nixpkgs", "ref": "nixos-26.05"}
    assert re.fullmatch(r"[0-9a-f]{40}", locked["locked"]["rev"])


def test_every_output_of_the_flake_evaluates(flake):
    evaluate(flake, "flake", "check", "--no-build", f"path:{flake}")
    shown = json.loads(evaluate(flake, "flake", "show", "--json", f"path:{flake}"))
    outputs = {
        f"{kind}.{name}" for kind, systems in shown.items() if kind != "formatter" for name in systems["x86_64-linux"]
    }
    assert outputs >= {
        "packages.engine",
        "packages.default",
        "apps.default",
        "apps.demo",
        "devShells.default",
        "checks.engine",
    }
    assert "x86_64-linux" in shown["formatter"]


def test_a_package_that_nixpkgs_does_not_have_fails_by_name(flake):
    package = flake / "nixos" / "package.nix"
    package.write_text(package.read_text().replace("    shtab\n", "    shtabb\n", 1))
    done = nix(flake, "eval", f"path:{flake}#packages.x86_64-linux.engine.drvPath", *stand_in(flake))
    assert done.returncode != 0
    assert "shtabb" in done.stderr


def normal(requirement):
    """The name in a requirement as both indexes spell it."""
    return re.split(r"[\s<>=!~;\[]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def test_the_nix_package_declares_the_dependencies_and_the_version_of_pyproject(flake):
    declared = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    engine = f"path:{flake}#packages.x86_64-linux.engine"
    names = "map (package: package.pname)"

    runtime = json.loads(evaluate(flake, "eval", "--json", f"{engine}.dependencies", "--apply", names))
    test = json.loads(evaluate(flake, "eval", "--json", f"{engine}.optional-dependencies.test", "--apply", names))
    version = evaluate(flake, "eval", "--raw", f"{engine}.version")

    assert sorted(runtime) == sorted(map(normal, declared["dependencies"]))
    assert sorted(test) == sorted(map(normal, declared["optional-dependencies"]["test"]))
    assert f'__version__ = "{version}"' in (CHECKOUT / "engine" / "loops" / "__init__.py").read_text()
