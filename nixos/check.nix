# What the example machine would run: its units' text, and the configuration that the engine found good.
{
  lib,
  runCommand,
  writeText,
  config,
}:

let
  units = lib.filterAttrs (name: _: name == "loops.slice" || lib.hasPrefix "loops-" name) config.systemd.units;
  projects = lib.filterAttrs (_: project: project.checkedConfig != null) config.services.loops.projects;
in
runCommand "loops-module" { } ''
  mkdir -p $out
  ${lib.concatMapStrings (name: ''
    cp ${writeText "unit" units.${name}.text} $out/${name}
  '') (lib.attrNames units)}
  ${lib.concatMapStrings (name: ''
    cp ${projects.${name}.checkedConfig} $out/${name}.toml
  '') (lib.attrNames projects)}
''
