# The packages that this repository takes from nixpkgs, as derivations that only evaluate.  The builders take exactly
# the attributes that are named here, so that a misspelt one is an error; the real ones would pass it by.
{ lib, system }:

let
  inherit (lib) genAttrs;

  derive =
    name: inputs: extra:
    derivation {
      inherit name system inputs;
      builder = "/bin/false";
    }
    // extra;

  package =
    pname:
    derive pname [ ] {
      inherit pname;
      meta.mainProgram = pname;
    };

  pythonPackages =
    genAttrs [
      "apprise"
      "hatchling"
      "hypothesis"
      "jinja2"
      "jsonschema"
      "mypy"
      "pexpect"
      "pyte"
      "pytest"
      "pytest-xdist"
      "pytestCheckHook"
      "rich"
      "ruff"
      "sh"
      "shtab"
      "tomli"
      "tomlkit"
      "types-jsonschema"
    ] package
    // {
      buildPythonPackage =
        {
          pname,
          version,
          pyproject,
          src,
          build-system,
          dependencies,
          optional-dependencies,
          pythonImportsCheck,
          doCheck,
          nativeCheckInputs,
          enabledTestPaths,
          disabledTestPaths,
        }:
        assert pyproject;
        derive "${pname}-${version}" ([ src ] ++ build-system ++ dependencies ++ lib.optional doCheck nativeCheckInputs) {
          inherit
            pname
            version
            src
            dependencies
            optional-dependencies
            ;
        };

      mkPythonEditablePackage =
        {
          pname,
          version,
          dependencies,
          root,
          scripts,
        }:
        derive "${pname}-${version}-editable" dependencies { };
    };

  packages =
    genAttrs [
      "bubblewrap"
      "git"
      "makeBinaryWrapper"
      "nixfmt-tree"
      "shellcheck"
      "tmux"
    ] package
    // {
      inherit lib;
      python3 = package "python3" // {
        pkgs = pythonPackages;
        withPackages = choose: derive "python3-env" (choose pythonPackages) { };
      };
      mkShell = { packages, shellHook }: derive "nix-shell" packages { inherit shellHook; };
      runCommand =
        name:
        {
          pname,
          version,
          nativeBuildInputs,
          passthru,
          meta,
        }:
        script:
        derive name (nativeBuildInputs ++ [ script ]) (passthru // { inherit pname version meta; });
      writeShellScript = name: text: derive name [ text ] { };
      callPackage =
        file: given:
        let
          f = import file;
          wanted = builtins.functionArgs f;
        in
        f (builtins.intersectAttrs wanted packages // given);
    };
in
packages
