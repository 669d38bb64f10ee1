"""The flake as it is: it evaluates, builds in the sandbox, and its NixOS module says what to write where something is wrong.

Everything is real but nixpkgs, for which nixos/offline stands in through ``--override-input``: Debian's packages under
nixpkgs' names.  What that cannot prove, a build with the pinned nixpkgs and the machine under the NixOS test driver, is
proven by ``nix flake check`` where there is a binary cache.  With ``LOOPS_NIXPKGS`` (a checkout of nixpkgs or of
nixpkgs.lib) `test_nixpkgs_own_library_gives_the_same_units` compares the stand-in with the real one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from loops.boot import units
from nix import CHECKOUT, OFFLINE, Nix
from root import Base

pytestmark = [pytest.mark.machine, pytest.mark.xdist_group("flake")]

FLAKE = "path:/src"
APPLIANCE = f"{FLAKE}#nixosConfigurations.appliance"
UNIT_TEXTS = "builtins.mapAttrs (_: unit: unit.text) config.systemd.units"
NIXPKGS = os.environ.get("LOOPS_NIXPKGS", "")


@pytest.fixture(scope="module")
def nix(debian: Base, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nix]:
    if shutil.which("bwrap") is None:
        pytest.skip("bwrap is not installed (Debian: apt-get install bubblewrap)")
    directory = tmp_path_factory.mktemp("flake")
    yield Nix(directory, debian.tree)
    shutil.rmtree(directory)


def with_settings(body: str, wanted: str) -> str:
    """A function in Nix: from the example machine to *wanted* of its ``config``, with *body* as one more module."""
    module = f"({{ lib, pkgs, ... }}: {{ {body} }})"
    return f"machine: let inherit (machine.extendModules {{ modules = [ {module} ]; }}) config; in {wanted}"


def units_with(nix: Nix, body: str) -> dict[str, units.Unit]:
    """Our units on the example machine with one more module, as systemd would read them."""
    told: dict[str, str] = json.loads(
        nix.answer("eval", "--json", APPLIANCE, "--apply", with_settings(body, UNIT_TEXTS))
    )
    return {name: units.parse(text) for name, text in told.items()}


def refusal(nix: Nix, body: str) -> str:
    """What Nix says to the example machine with one more module, which it must not accept."""
    system = with_settings(body, "config.system.build.toplevel.drvPath")
    done = nix.offline("eval", "--raw", APPLIANCE, "--apply", system)
    assert done.returncode != 0, f"accepted: {body}"
    return done.stderr


# ---- the flake -----------------------------------------------------------------------------------------------------------


def test_every_nix_file_parses(nix):
    files = sorted(path.relative_to(nix.source) for path in nix.source.rglob("*.nix"))
    assert len(files) > 5
    done = nix.run("nix-instantiate", "--parse", *map(str, files))
    assert done.returncode == 0, done.stderr


def test_the_lock_is_complete_read_offline_and_left_as_it_is(nix):
    done = nix.run("nix", "flake", "metadata", "--json", FLAKE)
    assert done.returncode == 0, done.stderr
    assert (nix.source / "flake.lock").read_bytes() == (CHECKOUT / "flake.lock").read_bytes()
    locked = json.loads(done.stdout)["locks"]["nodes"]["nixpkgs"]
    assert locked["original"] == {"type": "github", "owner": "NixOS", "repo": "nixpkgs", "ref": "nixos-26.05"}
    assert re.fullmatch(r"[0-9a-f]{40}", locked["locked"]["rev"])


def test_flake_check_builds_every_check_in_the_sandbox(nix):
    done = nix.offline("flake check", "--print-build-logs", FLAKE)
    assert done.returncode == 0, done.stderr
    assert "disabling sandboxing" not in done.stderr
    assert (nix.source / "flake.lock").read_bytes() == (CHECKOUT / "flake.lock").read_bytes()


def test_the_flake_has_what_it_is_asked_for(nix):
    shown = json.loads(nix.answer("flake show", "--json", FLAKE))
    host = "x86_64-linux"
    assert shown["packages"][host].keys() >= {"engine", "default"}
    assert shown["apps"][host].keys() >= {"default", "demo"}
    assert shown["checks"][host].keys() >= {"engine", "module", "appliance"}
    assert "default" in shown["devShells"][host]
    assert host in shown["formatter"]
    for kind, name in (("nixosModules", "default"), ("overlays", "default"), ("nixosConfigurations", "appliance")):
        assert name in shown[kind]


def test_both_apps_run_and_the_overlay_has_the_same_package(nix):
    for app, said in (("", "usage: loops"), ("#demo", "usage: loops demo")):
        done = nix.run("nix", "run", *OFFLINE, FLAKE + app, "--", "--help")
        assert done.returncode == 0, done.stderr
        assert said in done.stdout
    overlaid = "overlay: toString (overlay { callPackage = file: _: file; } { }).loops"
    assert nix.answer("eval", "--raw", f"{FLAKE}#overlays.default", "--apply", overlaid).endswith("/nixos/package.nix")


def test_a_build_sees_no_network_and_nothing_of_the_machine_but_usr(nix):
    script = "{ cat /proc/net/dev; ls / /src; } >$out 2>&1\n:"  # see nixos/offline/packages.nix for the last line
    probe = f"""derivation {{
      name = "probe"; system = builtins.currentSystem; builder = "/bin/bash"; PATH = "/usr/bin";
      args = [ "-c" {json.dumps(script)} ];
    }}"""
    done = nix.run("nix", "build", "--impure", "--expr", probe, "--no-link", "--print-out-paths")
    assert done.returncode == 0, done.stderr
    found = nix.run("cat", done.stdout.strip()).stdout
    assert re.findall(r"^ *(\w+):[ 0-9]+$", found, re.MULTILINE) == ["lo"]
    assert "cannot access '/src'" in found
    assert "root" not in found.split()


# ---- the engine ----------------------------------------------------------------------------------------------------------


def normal(requirement: str) -> str:
    """The name in a requirement as both indexes spell it."""
    return re.split(r"[\s<>=!~;\[]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def test_the_nix_package_declares_the_dependencies_and_the_version_of_pyproject(nix):
    declared = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    engine = f"{FLAKE}#packages.x86_64-linux.engine"
    names = "map (package: package.pname)"

    runtime = json.loads(nix.answer("eval", "--json", f"{engine}.dependencies", "--apply", names))
    optional = json.loads(
        nix.answer("eval", "--json", f"{engine}.optional-dependencies", "--apply", f"builtins.mapAttrs (_: {names})")
    )
    version = nix.answer("eval", "--raw", f"{engine}.version")

    assert sorted(runtime) == sorted(map(normal, declared["dependencies"]))
    assert {name: sorted(packages) for name, packages in optional.items()} == {
        name: sorted(map(normal, requirements)) for name, requirements in declared["optional-dependencies"].items()
    }
    assert f'__version__ = "{version}"' in (CHECKOUT / "engine" / "loops" / "__init__.py").read_text()


def test_a_package_that_nixpkgs_does_not_have_fails_by_name(nix):
    package = nix.source / "nixos" / "package.nix"
    good = package.read_text()
    package.write_text(good.replace("    shtab\n", "    shtabb\n", 1))
    try:
        done = nix.offline("eval", f"{FLAKE}#packages.x86_64-linux.engine.drvPath")
    finally:
        package.write_text(good)
    assert done.returncode != 0
    assert "shtabb" in done.stderr


def test_the_built_engine_runs_from_the_store_and_writes_nothing_into_it(nix, tmp_path):
    loops = nix.build("engine") + "/bin/loops"
    init = f"{loops} init /tmp/project && {loops} --config /tmp/project validate && {loops} --help"
    done = nix.run("sh", "-c", f"{init} && nix-store --verify --check-contents")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "usage: loops" in done.stdout
    assert "good: " in done.stdout


def test_building_the_engine_again_gives_the_same_bytes(nix):
    for part in ("engine.module", "engine"):
        nix.build(part)
        done = nix.offline("build", f"{FLAKE}#{part}", "--rebuild", "--no-link")
        assert done.returncode == 0, done.stderr
        assert "checking outputs of" in done.stderr


# ---- the module's units --------------------------------------------------------------------------------------------------


def own_lines(unit: units.Unit) -> units.Unit:
    """Without what NixOS adds: the search path and the shell, and its own marks for what a switch does."""
    added = ('"PATH=', '"SHELL=')
    return {
        section: {
            key: kept
            for key, values in keys.items()
            if not key.startswith(("X-Restart", "X-Stop"))
            and (kept := tuple(value for value in values if not value.startswith(added)))
        }
        for section, keys in unit.items()
    }


WEEKLY = """
    services.loops.projects.demo.credentials.key = "/run/secrets/key";
    services.loops.projects.demo.settings.agent = [
      { name = "upgrader"; kind = "task"; prompt_file = "prompts/upgrader.md"; schedule = "Sun *-*-* 03:00"; }
    ];
"""


def test_the_module_writes_the_units_that_the_engine_writes(nix):
    source = units.load()
    hosted = json.loads(json.dumps(source.tables["hosted"]).replace("@prepare@", "PREPARED"))
    here = units.Source({**source.tables, "in-place": hosted})

    found = {name: own_lines(unit) for name, unit in units_with(nix, WEEKLY).items()}

    start = found["loops-demo.service"]["Service"]["ExecStart"][0]
    (prepared,) = found["loops-demo.service"]["Service"]["ExecStartPre"]
    found["loops-demo.service"]["Service"]["ExecStartPre"] = (prepared.partition(" prepare ")[0] + " prepare PREPARED",)
    expected = units.render(
        units.Service(
            name="demo",
            command=start.partition(" ")[0],
            config="/var/lib/loops/demo/agents.toml",
            user="loops",
            group="loops",
            home="/var/lib/loops",
            limits=units.Limits("75%", "2G", "4096", "50"),
            credentials=("key:/run/secrets/key",),
            writable=("/srv/git/product.git",),
            schedules=(units.Schedule("upgrader", "Sun *-*-* 03:00"),),
        ),
        here,
    )
    assert {name: found[name] for name in expected} == {
        name: {section: dict(keys) for section, keys in unit.items()} for name, unit in expected.items()
    }
    assert found.keys() == expected.keys()


def test_the_supervisor_prepares_the_project_from_its_source_clones_and_checked_configuration(nix):
    (words,) = units_with(nix, "")["loops-demo.service"]["Service"]["ExecStartPre"]
    assert re.sub(r"/nix/store/\S+-loops-", "STORE-", words).split(" service ")[1].split() == [
        *("prepare", "--root", "/var/lib/loops/demo", "--config", "STORE-demo-agents.toml"),
        *("--source", "/srv/git/project.git", "--revision", "main"),
        *("--clone", "work/adversary=/srv/git/product.git", "--clone", "work/builder=/srv/git/product.git"),
    ]


@pytest.mark.parametrize("unit", ["loops-demo.service", "loops-demo-holder.service"])
def test_what_agents_push_to_on_the_machine_is_writable_and_other_places_by_their_names(nix, unit):
    body = f"""
        {DEMO}.clones."work/other" = "file:///srv/git/other.git";
        {DEMO}.clones."work/far" = "git@git.example.org:far.git";
        {DEMO}.writablePaths = [ "/srv/datasets" "-/mnt/cache" ];
    """
    written = units_with(nix, body)[unit]["Service"]["ReadWritePaths"]
    wanted = {"/srv/git/other.git", "/srv/git/product.git", "/srv/datasets", "-/mnt/cache"}
    assert set(written) - {"/tmp", "/var/tmp"} == wanted


def test_a_user_of_ones_own_has_a_home_that_can_be_written(nix):
    users = """
        services.loops.user = "alice";
        users.users.alice = { isSystemUser = true; group = "loops"; home = "/var/lib/alice"; };
    """
    for unit in ("loops-demo.service", "loops-demo-holder.service"):
        keys = units_with(nix, users)[unit]["Service"]
        assert keys["User"] == ("alice",)
        assert "-/var/lib/alice" in keys["ReadWritePaths"]


def test_sessions_have_a_shell_that_is_one_the_backends_and_the_operators_variables(nix):
    tool = 'pkgs.writeShellScriptBin "agent-of-mine" "exit 0"'
    found = units_with(nix, f'{DEMO}.backends = [ ({tool}) ]; {DEMO}.environment.GIT_SSH_COMMAND = "ssh -i /run/key";')
    given = [each.strip('"').partition("=") for each in found["loops-demo.service"]["Service"]["Environment"]]
    environment = {name: value for name, _, value in given}
    assert environment["SHELL"].endswith("/bin/bash")
    assert environment["GIT_SSH_COMMAND"] == "ssh -i /run/key"
    assert "-agent-of-mine/bin" in environment["PATH"]
    holder = " ".join(found["loops-demo-holder.service"]["Service"]["Environment"])
    assert "-agent-of-mine/bin" in holder


def test_the_example_of_the_readme_is_a_machine_whose_settings_the_engine_finds_good(nix):
    (example,) = re.findall(r"```nix\n(.*?)```", (CHECKOUT / "README.md").read_text(), re.DOTALL)
    example = example.replace("pkgs.claude-code", "pkgs.tmux")  # which the stand-in does not have
    sops = """
        options.sops.secrets = lib.mkOption {
          type = lib.types.attrsOf (lib.types.submodule ({ name, ... }: {
            options.path = lib.mkOption { type = lib.types.str; default = "/run/secrets/${name}"; };
            options.restartUnits = lib.mkOption { type = lib.types.listOf lib.types.str; };
          }));
        };
    """
    given = f"({{ config, pkgs, ... }}@args: ({example}) (args // {{ loops.nixosModules.default = {{ }}; }}))"
    body = f"imports = [ {given} ({{ lib, ... }}: {{ {sops} }}) ];"
    wanted = "config.services.loops.projects.recipes.checkedConfig.drvPath"
    found = units_with(nix, body)["loops-recipes.service"]["Service"]
    assert found["LoadCredential"] == ("anthropic:/run/secrets/anthropic",)
    path = nix.answer("eval", "--raw", APPLIANCE, "--apply", with_settings(body, wanted))
    done = nix.run("nix", "build", "--no-link", f"{path}^out")
    assert done.returncode == 0, done.stderr


def test_a_rebuild_with_other_settings_changes_the_supervisor_alone_and_restarts_no_holder(nix):
    before = units_with(nix, "")
    after = units_with(nix, 'services.loops.projects.demo.settings.defaults.model = "demo-large";')
    assert [name for name in before if before[name] != after[name]] == ["loops-demo.service"]
    assert before["loops-demo-holder.service"]["Service"]["X-RestartIfChanged"] == ("false",)


def test_without_settings_no_timer_can_be_known_so_the_supervisor_keeps_the_calendar(nix):
    theirs = units_with(nix, "services.loops.projects.demo.settings = lib.mkForce null;")["loops-demo.service"][
        "Service"
    ]
    ours = units_with(nix, "")["loops-demo.service"]["Service"]
    assert "LOOPS_SCHEDULES=systemd" in ours["Environment"]
    assert "LOOPS_SCHEDULES=systemd" not in theirs["Environment"]
    assert "--config /nix" not in theirs["ExecStartPre"][0]


def test_a_project_that_is_off_has_no_units_and_no_command(nix):
    assert units_with(nix, "services.loops.projects.demo.enable = false;").keys() == {"loops.slice"}
    assert units_with(nix, "services.loops.enable = lib.mkForce false;") == {}


# ---- what is refused -----------------------------------------------------------------------------------------------------

DEMO = "services.loops.projects.demo"
OTHER = 'services.loops.projects.other.source = { url = "/srv/git/other.git"; revision = "main"; };'

WRONG = {
    "an option that is none": (
        f"{DEMO}.setings = {{ }};",
        "The option `services.loops.projects.demo.setings' does not exist",
    ),
    "a type that is none of its": (
        f'{DEMO}.backends = "git";',
        "A definition for option `services.loops.projects.demo.backends' is not of type `list of package'",
    ),
    "a value of settings that TOML does not know": (
        f"{DEMO}.settings.watchdog = x: x;",
        "is not of type `TOML value'",
    ),
    "a missing value": (
        'services.loops.projects.other.source.url = "/srv/git/other.git";',
        "The option `services.loops.projects.other.source.revision' was accessed but has no value defined",
    ),
    "two values for one": (
        f'{DEMO}.source.revision = "other";',
        "The option `services.loops.projects.demo.source.revision' has conflicting definition values",
    ),
    "a name that is none for a unit": (
        'services.loops.projects."My Project" = { settings = { }; };',
        "projects.My Project: a project's name is part of its units' names. Write small letters, digits and \"-\"",
    ),
    "both settings and configFile": (
        f'{DEMO}.configFile = "/etc/agents.toml";',
        "demo: `settings` and `configFile` are both set, and there is one agents.toml. Remove one of them.",
    ),
    "nothing to run": (
        "services.loops.projects.empty = { };",
        "empty: nothing says what to run. Write the contents of agents.toml into `settings`",
    ),
    "a secret in the store": (
        f'{DEMO}.credentials.key = pkgs.writeText "key" "secret";',
        "demo.credentials.key: the file is in the Nix store, which everybody on the machine can read.",
    ),
    "a secret that nobody provides": (
        f'{DEMO}.settings.agent = [ {{ name = "o"; credentials.API_KEY = "anthropic"; }} ];',
        'Write services.loops.projects.demo.credentials.anthropic = "/run/secrets/anthropic";',
    ),
    "a login that nobody provides": (
        f'{DEMO}.settings.backend.claude.home.".claude/.credentials.json" = "credential:claude-login";',
        'Write services.loops.projects.demo.credentials.claude-login = "/run/secrets/claude-login";',
    ),
    "a user that the machine does not have": (
        'services.loops.user = "alice";',
        'services.loops.user: this machine has no user "alice". Write users.users.alice = { isSystemUser = true;',
    ),
    "a group that the machine does not have": (
        'services.loops.group = "staff";',
        'this machine has no group "staff". Write users.groups.staff = { };',
    ),
    "a user whose home the units cannot see": (
        'services.loops.user = "alice"; users.users.alice = { group = "loops"; home = "/home/alice"; };',
        "the units cannot see /home/alice, where alice has its logins",
    ),
    "a place to write that is none": (
        f'{DEMO}.writablePaths = [ "data" ];',
        "writablePaths' is not of type `string matching the pattern",
    ),
    "a clone outside": (
        f'{DEMO}.clones."../out" = "/srv/git/product.git";',
        "a clone lies below the project's own directory",
    ),
    "a source in a home": (
        f'{DEMO}.source = lib.mkForce {{ url = "/home/me/project"; revision = "main"; }};',
        "homes are hidden from them",
    ),
    "two projects with one prefix": (
        'services.loops.projects.other.settings.defaults.session_prefix = "demo-";',
        'several projects have the session prefix "demo-"',
    ),
    "two units of one name": (
        "services.loops.projects.demo-holder.settings = { };",
        "two units would have the name loops-demo-holder.service",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_machine_is_refused_with_what_to_write(nix, what):
    body, message = WRONG[what]
    assert message in refusal(nix, body)


def check_of(nix: Nix, body: str) -> str:
    """What the build of a project's checked agents.toml prints; it must fail.  The lines of a message are one again."""
    derivation = with_settings(body, "config.services.loops.projects.demo.checkedConfig.drvPath")
    path = nix.answer("eval", "--raw", APPLIANCE, "--apply", derivation)
    done = nix.run("nix", "build", "--print-build-logs", "--no-link", f"{path}^out")
    assert done.returncode != 0, f"built with: {body}"
    return " ".join(
        line.partition("> ")[2] for line in done.stderr.splitlines() if line.startswith("loops-demo-agents")
    )


def test_a_wrong_key_in_the_settings_fails_the_build_with_the_engines_own_message(nix):
    told = check_of(nix, f'{DEMO}.settings.defaults.modell = "x";')
    assert re.search(r'agents\.toml:\d+: defaults\.modell: there is no such key; did you mean "model"\?', told), told


@pytest.mark.parametrize("entries", ['{ builder.kind = "loop"; }', '[ "builder" ]', '[ { schedule = "daily"; } ]'])
def test_entries_of_a_wrong_form_are_left_to_the_engine_to_refuse(nix, entries):
    told = check_of(nix, f"{DEMO}.settings.agent = lib.mkForce {entries};")
    assert re.search(r"agents\.toml:\d+: agent", told), told


def test_an_agents_toml_of_ones_own_is_checked_in_the_same_way(nix):
    own = 'pkgs.writeText "own.toml" "[defaults]\\nlog_dir = \\".loops\\"\\n"'
    told = check_of(nix, f"{DEMO}.settings = lib.mkForce null; {DEMO}.configFile = {own};")
    assert re.search(r"own\.toml:1: .*session_prefix", told), told


# ---- the stand-in itself -------------------------------------------------------------------------------------------------


def without_hashes(unit: units.Unit) -> units.Unit:
    """Two builds of one thing compare as one, and what NixOS adds to every unit's environment is not there."""
    own = ('"PATH=', '"SHELL=', '"LOCALE_ARCHIVE=', '"TZDIR=')
    return {
        section: {
            key: tuple(re.sub(r"/nix/store/\w{32}-", "", value) for value in values if not value.startswith(own))
            for key, values in keys.items()
        }
        for section, keys in unit.items()
    }


@pytest.mark.skipif(not NIXPKGS, reason="LOOPS_NIXPKGS names no checkout of nixpkgs or nixpkgs.lib to compare with")
def test_nixpkgs_own_library_gives_the_same_units(nix):
    here = units_with(nix, WEEKLY)
    texts = with_settings(WEEKLY, UNIT_TEXTS)
    if (Path(NIXPKGS) / "nixos" / "lib").is_dir():  # all of NixOS
        words = [APPLIANCE, "--apply", texts, "--override-input", "nixpkgs", "path:/nixpkgs", "--no-write-lock-file"]
    else:
        machine = "import /src/nixos/offline/conformance.nix { nixpkgs = /nixpkgs; }"
        words = ["--impure", "--expr", f"({texts}) ({machine})"]
    mounted = ("--ro-bind", str(Path(NIXPKGS).resolve()), "/nixpkgs")
    done = nix.run("nix", "eval", "--json", *words, extra=mounted)
    assert done.returncode == 0, done.stderr
    there = {name: units.parse(text) for name, text in json.loads(done.stdout).items() if name in here}
    assert {name: without_hashes(unit) for name, unit in there.items()} == {
        name: without_hashes(unit) for name, unit in here.items()
    }
