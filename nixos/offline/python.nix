# Debian's Python and its packages, and how ours is built, installed and put into an environment.
{
  lib,
  build,
  installed,
}:

let
  library = "lib/python3/site-packages";

  # What a build with tests runs here of tests/: 800 that are pure.  The others take ten minutes, mostly of waiting for
  # processes, and `./dev test` runs them on this very machine.
  quick = "tests/streams";

  packages =
    lib.genAttrs [
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
      "rich"
      "ruff"
      "sh"
      "shtab"
      "tomli"
      "tomlkit"
      "types-jsonschema"
    ] installed
    // {
      pytestCheckHook = installed "pytest";

      # The wheel is what `hatchling` makes of pyproject.toml; installing it is unpacking it.  Bytecode is checked
      # against no time stamp, and nothing is ever written beside it, so that a build is the same bytes each time.
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
        assert pyproject && build-system == [ packages.hatchling ] && enabledTestPaths == [ "tests" ];
        build "${pname}-${version}"
          {
            inherit src;
            inputs = map toString (dependencies ++ lib.optionals doCheck nativeCheckInputs); # each of them must be there
            PYTHONDONTWRITEBYTECODE = "1";
          }
          ''
            cp -r "$src" source && chmod -R u+w source && cd source
            /usr/bin/python3 -m hatchling build --target wheel --directory dist >&2
            library=$out/${library}
            mkdir -p "$library" "$out/bin"
            /usr/bin/python3 -m zipfile --extract dist/*.whl "$library"
            /usr/bin/python3 -I ${./scripts.py} "$library" "$out/bin"
            ${lib.concatMapStrings (name: ''
              PYTHONPATH=$library /usr/bin/python3 -c "import ${name}"
            '') pythonImportsCheck}
            ${lib.optionalString doCheck ''
              PYTHONPATH=$library PATH=$out/bin:$PATH /usr/bin/python3 -m pytest -q -p no:cacheprovider \
                ${quick} ${lib.concatMapStrings (path: "--ignore=${path} ") disabledTestPaths} >&2
            ''}
            /usr/bin/python3 -m compileall -q --invalidation-mode unchecked-hash "$library"
          ''
        // {
          inherit
            pname
            version
            src
            dependencies
            optional-dependencies
            ;
        };

      # only for `nix develop`, which nobody enters with the stand-in
      mkPythonEditablePackage =
        {
          pname,
          version,
          dependencies,
          root,
          scripts,
        }:
        build "${pname}-${version}-editable" { } "mkdir -p $out/${library} $out/bin";
    };
in
installed "python3"
// {
  pkgs = packages;

  # A virtual environment, so that its interpreter itself knows the packages: `python3 -m loops` works in it.
  withPackages =
    choose:
    build "python3-env" { packages = map toString (lib.filter (each: toString each != "/usr") (choose packages)); } ''
      site=$(/usr/bin/python3 -c 'import sys; print("lib/python%d.%d/site-packages" % sys.version_info[:2])')
      mkdir -p "$out/bin" "$out/$site"
      printf 'home = /usr/bin\ninclude-system-site-packages = true\n' >$out/pyvenv.cfg
      ln -s /usr/bin/python3 $out/bin/python3
      for package in $packages; do
        echo "$package/${library}" >>"$out/$site/packages.pth"
        for script in $package/bin/*; do
          [ -e "$script" ] || continue
          { echo "#!$out/bin/python3"; tail -n +2 "$script"; } >"$out/bin/$(basename "$script")"
          chmod +x "$out/bin/$(basename "$script")"
        done
      done
    '';
}
