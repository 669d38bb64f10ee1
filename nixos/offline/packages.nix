# The packages that this repository takes from nixpkgs.  A program is what Debian installs in /usr; what this repository
# builds is really built, in Nix's sandbox, with /usr in its `sandbox-paths`.  The builders take exactly the attributes
# that are named here, so that a misspelt one is an error; the real ones would pass it by.
{
  lib,
  system,
  nixosSystem,
}:

let
  inherit (lib) genAttrs;

  # What Debian has: no derivation is behind it, so it is no part of any closure.
  installed = pname: {
    type = "derivation";
    name = pname;
    outPath = "/usr";
    version = "of Debian";
    inherit pname system;
    meta.mainProgram = pname;
  };

  # build: run `script` with bash; `given` is its environment.
  # The last line: bash would exec the last command, whose early close of stdout Nix takes for the end of the build, so
  # that it kills it before it is done.
  build =
    name: given: script:
    derivation (
      {
        inherit name system;
        builder = "/bin/bash";
        args = [
          "-euo"
          "pipefail"
          "-c"
          "export PATH=/usr/bin:/bin HOME=$TMPDIR LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH=315532800\n${script}\n:\n"
        ];
      }
      // given
    );

  # As in nixpkgs: these attributes are no environment of the script, and its inputs' hooks come before it.
  runCommand =
    name: given: script:
    let
      hooks = lib.concatMapStrings (each: each.setupHook or "") (given.nativeBuildInputs or [ ]);
    in
    build name (removeAttrs given [
      "meta"
      "nativeBuildInputs"
      "passthru"
    ]) (hooks + script)
    // given.passthru or { }
    // {
      meta = given.meta or { };
    };

  writeTextFile =
    {
      name,
      text,
      executable ? false,
      destination ? "",
      meta ? { },
    }:
    build name
      {
        inherit text;
        passAsFile = [ "text" ];
      }
      ''
        mkdir -p "$(dirname "$out${destination}")"
        cp "$textPath" "$out${destination}"
        ${lib.optionalString executable ''chmod +x "$out${destination}"''}
      ''
    // {
      inherit meta;
    };

  shellScript = text: "#!/bin/bash\n${text}";

  packages =
    genAttrs [
      "bash"
      "bubblewrap"
      "coreutils"
      "findutils"
      "git"
      "gnugrep"
      "gnused"
      "nixfmt-tree"
      "openssh"
      "shellcheck"
      "systemd"
      "tmux"
    ] installed
    // {
      inherit lib runCommand;

      # Debian has runuser in sbin
      util-linux = build "util-linux" { } "mkdir -p $out/bin && ln -s /usr/sbin/runuser $out/bin/";

      stdenv.hostPlatform = { inherit system; };
      python3 = import ./python.nix { inherit lib build installed; };

      writeText = name: text: writeTextFile { inherit name text; };
      writeShellScript =
        name: text:
        writeTextFile {
          inherit name;
          text = shellScript text;
          executable = true;
        };
      writeShellScriptBin =
        name: text:
        writeTextFile {
          inherit name;
          text = shellScript text;
          executable = true;
          destination = "/bin/${name}";
          meta.mainProgram = name;
        };

      formats.toml =
        { }:
        {
          type =
            let
              value =
                with lib.types;
                oneOf [
                  bool
                  int
                  float
                  str
                  path
                  (attrsOf value)
                  (listOf value)
                ]
                // {
                  description = "TOML value";
                };
            in
            value;
          generate =
            name: value:
            build name {
              value = builtins.toJSON value;
              passAsFile = [ "value" ];
            } "/usr/bin/python3 -I ${./toml.py} <$valuePath >$out";
        };

      # A script and not a binary; only the form that package.nix uses.
      makeBinaryWrapper = installed "makeWrapper" // {
        setupHook = ''
          makeWrapper() {
            [ "$#:$3:$4:$5" = "6:--prefix:PATH::" ] || { echo "makeWrapper: the stand-in knows only PROGRAM WRAPPER --prefix PATH : DIRECTORIES" >&2; exit 1; }
            mkdir -p "$(dirname "$2")"
            printf '#!/bin/sh\nPATH=%s''${PATH:+:$PATH} exec %s "$@"\n' "$6" "$1" >"$2"
            chmod +x "$2"
          }
        '';
      };

      mkShell =
        {
          packages,
          shellHook ? "",
        }:
        build "nix-shell" {
          inputs = map toString packages;
          inherit shellHook;
        } "touch $out";

      testers.runNixOSTest = import ./test.nix { inherit lib system build nixosSystem; };

      callPackage =
        file: given:
        let
          f = import file;
        in
        f (builtins.intersectAttrs (builtins.functionArgs f) packages // given);
    };
in
packages
