# systemd.{services,slices,timers}: NixOS' options for units, and their text as NixOS lays it out, to the byte.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    concatMap
    concatMapStrings
    mapAttrsToList
    mkOption
    optionalAttrs
    optionalString
    types
    ;

  text =
    type: default:
    mkOption {
      inherit type default;
      description = "As in NixOS.";
    };
  flag = text types.bool;
  names = text (types.listOf types.str) [ ];

  # A value is repeated for each item of a list, and lists of several definitions add up; all else must agree.
  section = text (types.attrsOf (lib.mkOptionType {
    name = "systemd option";
    merge =
      place: definitions:
      let
        values = map (each: each.value) definitions;
        lists = lib.count lib.isList values;
      in
      if lists == lib.length values then
        lib.concatLists values
      else if lists != 0 then
        throw "The definitions for `${lib.showOption place}' are a mix of list and non-list."
      else if lib.all (value: value == lib.head values) values then
        lib.head values
      else
        throw "The option `${lib.showOption place}' has conflicting definition values.";
  })) { };

  relations = {
    after = "After";
    before = "Before";
    bindsTo = "BindsTo";
    conflicts = "Conflicts";
    onFailure = "OnFailure";
    partOf = "PartOf";
    requires = "Requires";
    requisite = "Requisite";
    wants = "Wants";
  };

  unit = suffix: own: {
    imports = [
      (
        {
          name,
          config,
          options,
          ...
        }:
        {
          options = {
            enable = flag true;
            name = text types.str "${name}.${suffix}";
            description = text types.singleLineStr "";
            documentation = names;
            wantedBy = names;
            requiredBy = names;
            restartTriggers = text (types.listOf types.raw) [ ];
            startLimitBurst = mkOption { type = types.int; };
            startLimitIntervalSec = mkOption { type = types.int; };
            unitConfig = section;
          }
          // lib.mapAttrs (_: _: names) relations;

          config.unitConfig =
            lib.mergeAttrsList (
              mapAttrsToList (
                option: key: optionalAttrs (config.${option} != [ ]) { ${key} = toString config.${option}; }
              ) relations
            )
            // optionalAttrs (config.description != "") { Description = config.description; }
            // optionalAttrs (config.documentation != [ ]) { Documentation = toString config.documentation; }
            // optionalAttrs (config.restartTriggers != [ ]) {
              X-Restart-Triggers = "${pkgs.writeText "X-Restart-Triggers-${name}" (
                toString (map (each: if builtins.isPath each then "${each}" else each) (lib.flatten config.restartTriggers))
              )}";
            }
            // optionalAttrs options.startLimitBurst.isDefined { StartLimitBurst = toString config.startLimitBurst; }
            // optionalAttrs options.startLimitIntervalSec.isDefined {
              StartLimitIntervalSec = toString config.startLimitIntervalSec;
            };
        }
      )
      own
    ];
  };

  service = unit "service" (
    { config, ... }:
    {
      options = {
        path = text (types.listOf (types.either types.package types.str)) [ ];
        environment = text (types.attrsOf (types.nullOr (types.either types.str types.path))) { };
        serviceConfig = section;
        restartIfChanged = flag true;
        stopIfChanged = flag true;
      };
      config = {
        path = lib.mkAfter [
          pkgs.coreutils
          pkgs.findutils
          pkgs.gnugrep
          pkgs.gnused
          pkgs.systemd
        ];
        environment.PATH = "${lib.makeBinPath config.path}:${lib.makeSearchPath "sbin" config.path}";
      };
    }
  );

  value =
    given:
    if given == true then
      "true"
    else if given == false then
      "false"
    else
      toString given;
  lines =
    keys: concatMapStrings (line: line + "\n") (concatMap (key: map (each: "${key}=${value each}") (lib.toList keys.${key})) (lib.attrNames keys));
  render =
    kind: body: given:
    "[Unit]\n${lines given.unitConfig}\n[${kind}]\n${body given}"
    + optionalString (given.wantedBy != [ ]) "\n[Install]\nWantedBy=${toString given.wantedBy}\n";

  environment =
    given:
    lib.concatStringsSep "" (
      mapAttrsToList (name: text: optionalString (text != null) "Environment=${builtins.toJSON "${name}=${text}"}\n") given
    );
  serviceBody =
    given:
    environment given.environment
    + optionalString (!given.restartIfChanged) "X-RestartIfChanged=false\n"
    + optionalString (!given.stopIfChanged) "X-StopIfChanged=false\n"
    + lines given.serviceConfig;

  units =
    kind: body:
    lib.mapAttrs' (
      _: given:
      lib.nameValuePair given.name {
        inherit (given) enable wantedBy requiredBy;
        text = render kind body given;
      }
    );
  table =
    kind:
    mkOption {
      type = types.attrsOf (types.submodule kind);
      default = { };
      description = "As in NixOS.";
    };
in
{
  options.systemd = {
    services = table service;
    slices = table (unit "slice" { options.sliceConfig = section; });
    timers = table (unit "timer" { options.timerConfig = section; });
    units = mkOption {
      type = types.attrsOf types.raw;
      description = "Every unit by its whole name: text, enable, wantedBy, requiredBy.";
    };
  };

  config.systemd.units =
    units "Service" serviceBody config.systemd.services
    // units "Slice" (given: lines given.sliceConfig + "\n") config.systemd.slices
    // units "Timer" (given: lines given.timerConfig + "\n") config.systemd.timers;
}
