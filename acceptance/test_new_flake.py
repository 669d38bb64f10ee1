"""The flake of a project of `loops new`, evaluated by a real Nix: it fits the outputs of the engine that it pins.

nixos/offline stands in for nixpkgs, as in acceptance/machine; nothing is built, so that neither a sandbox nor root is needed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_source import CHECKOUT, TAG, EngineSource, engine_source
from operator_shell import Operator

SYSTEMS = ["aarch64-linux", "x86_64-linux"]
OPTIONS = {"experimental-features": "nix-command flakes", "substituters": "", "flake-registry": ""}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> EngineSource:
    return engine_source(tmp_path_factory.mktemp("engine"))


class Flake:
    """A project that pins its engine as a flake's input, and a Nix with a store of its own to ask about it."""

    def __init__(self, operator: Operator, engine: EngineSource) -> None:
        self.root = operator.place / "recipes"
        self.said = operator.types(f"loops new recipes --flake {TAG} --engine-url {engine.bare}").text
        self._operator = operator

    def answer(self, verb: str, *words: str, within: str = "", at: Path | None = None) -> object:
        """What ``nix VERB`` prints, as JSON; *within*: the path of the project's inputs from the flake that is asked."""
        # Without this machine's own settings, and with sockets and cache of its own.
        env = {
            **self._operator.environment,
            "NIX_CONFIG": "\n".join(f"{key} = {value}" for key, value in OPTIONS.items()),
        }
        override = (
            "--override-input",
            f"{within}loops/nixpkgs",
            f"path:{CHECKOUT}/nixos/offline",
            "--no-write-lock-file",
        )
        store = ("--store", str(self._operator.home / "store"))
        done = subprocess.run(
            ["nix", *verb.split(), *words, "--json", *store, *override],
            cwd=at or self.root,
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def flake(tmp_path: Path, engine: EngineSource) -> Iterator[Flake]:
    if shutil.which("nix") is None:
        pytest.skip("nix is not installed (Debian: apt-get install nix-bin)")
    operator = Operator(tmp_path)
    yield Flake(operator, engine)
    operator.leaves()


def test_the_input_is_the_tags_own_commit(flake: Flake, engine: EngineSource) -> None:
    locks = flake.answer("flake metadata")["locks"]["nodes"]  # type: ignore[index]

    assert locks["loops"]["locked"]["rev"] == engine.tagged
    assert locks["root"]["inputs"]["nixpkgs"] == ["loops", "nixpkgs"]
    assert f"engine pinned at {engine.tagged} ({TAG})" in flake.said


def test_it_shows_the_engines_command_package_and_a_shell_for_every_system(flake: Flake) -> None:
    shown = flake.answer("flake show")

    assert isinstance(shown, dict)
    for kind, names in (("apps", {"default"}), ("packages", {"default", "engine"}), ("devShells", {"default"})):
        assert sorted(shown[kind]) == SYSTEMS
        assert all(shown[kind][system].keys() == names for system in SYSTEMS)
    assert "default" in shown["nixosModules"]


MACHINE = """
{
  inputs.recipes.url = "git+file://@ROOT@";
  inputs.nixpkgs.follows = "recipes/nixpkgs";
  outputs =
    { nixpkgs, recipes, ... }:
    let
      machine = nixpkgs.lib.nixosSystem {
        modules = [
          recipes.nixosModules.default
          {
            nixpkgs.hostPlatform = "x86_64-linux";
            system.stateVersion = "26.05";
            services.loops.projects.recipes.clones."work/builder" = "/srv/git/product.git";
          }
        ];
      };
    in
    {
      units = builtins.mapAttrs (_: unit: unit.text) machine.config.systemd.units;
      source = "${recipes}";
    };
}
"""


def test_its_module_is_the_project_as_services_of_a_machine(flake: Flake, tmp_path: Path) -> None:
    machine = tmp_path / "machine"
    machine.mkdir()
    (machine / "flake.nix").write_text(MACHINE.replace("@ROOT@", str(flake.root)))

    units = flake.answer("eval", "path:.#units", within="recipes/", at=machine)
    source = flake.answer("eval", "path:.#source", within="recipes/", at=machine)

    assert isinstance(units, dict)
    assert {"loops-recipes.service", "loops-recipes-holder.service"} <= units.keys()
    prepare = next(line for line in units["loops-recipes.service"].splitlines() if "service prepare" in line)
    assert f"--source {source} " in prepare
    assert "--clone work/builder=/srv/git/product.git" in prepare
    assert "--config /nix/store/" in prepare  # the project's agents.toml, which the build has checked
