# The example machine's units, as systemd itself reads them: `systemd-analyze verify` finds nothing to complain of.
{
  lib,
  runCommand,
  systemd,
  writeText,
  config,
  engine,
}:

let
  ours = lib.filterAttrs (name: _: name == "loops.slice" || lib.hasPrefix "loops-" name) config.systemd.units;
in
runCommand "loops-module" { nativeBuildInputs = [ systemd ]; } ''
  mkdir -p $out
  ${lib.concatMapStrings (name: ''
    cp ${writeText "unit" ours.${name}.text} $out/${name}
  '') (lib.attrNames ours)}
  ${engine}/bin/loops --version >$out/version
''
