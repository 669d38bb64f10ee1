{
  lib,
  python3,
  runCommand,
  git,
  makeBinaryWrapper,
  tmux,
  withApprise ? true, # notices to any service that it knows; without it, ntfy and a command of your own
  withTests ? false, # also run tests/ in the build; a machine that is rebuilt from git need not
}:

let
  inherit (lib) fileset;
  release = builtins.match ''.*__version__ = "([^"]+)".*'' (builtins.readFile ../engine/loops/__init__.py);

  module = python3.pkgs.buildPythonPackage rec {
    pname = "loops-engine";
    version = builtins.head release;
    pyproject = true;

    src = fileset.toSource {
      root = ../.;
      fileset = fileset.unions (
        [
          ../LICENSE
          ../engine
          ../prompts
          ../pyproject.toml
          ../schemas
        ]
        ++ lib.optional withTests ../tests
      );
    };

    build-system = [ python3.pkgs.hatchling ];

    # As in pyproject.toml, which gives the reasons; acceptance/machine/test_flake.py compares the two.
    dependencies = with python3.pkgs; [
      jinja2
      jsonschema
      pyte
      rich
      shtab
      tomli
      tomlkit
    ];

    optional-dependencies.notify = [ python3.pkgs.apprise ];
    optional-dependencies.test = with python3.pkgs; [
      apprise
      hatchling
      hypothesis
      mypy
      pexpect
      pytest
      pytest-xdist
      ruff
      sh
      types-jsonschema
    ];

    pythonImportsCheck = [ "loops" ];

    doCheck = withTests;
    nativeCheckInputs = [
      git
      python3.pkgs.pytestCheckHook
      tmux
    ]
    ++ optional-dependencies.test;
    enabledTestPaths = [ "tests" ];
    # Both are about a checkout, which the build's source is not.
    disabledTestPaths = [
      "tests/bench"
      "tests/packaging"
    ];
  };

  # An environment and not a lone wrapped script: in it the interpreter itself knows the package, so that
  # `python -m loops ...`, by which the engine starts its own parts, works there as everywhere.
  environment = python3.withPackages (
    _: [ module ] ++ lib.optionals withApprise module.optional-dependencies.notify
  );
in
runCommand "${module.pname}-${module.version}"
  {
    inherit (module) pname version;
    nativeBuildInputs = [ makeBinaryWrapper ];
    passthru = {
      inherit module;
      inherit (module) dependencies optional-dependencies;
    };
    meta = {
      description = "Runs coding agents unattended, keeps them honest, and proves what they did";
      license = lib.licenses.asl20;
      mainProgram = "loops";
      platforms = lib.platforms.linux;
    };
  }
  # One tmux for server and clients: two versions do not speak to each other.
  ''
    makeWrapper ${environment}/bin/loops $out/bin/loops --prefix PATH : ${
      lib.makeBinPath [
        git
        tmux
      ]
    }
  ''
