# A NixOS of units, users and commands: no kernel, no boot loader, no activation of anything else.  Its toplevel is
# what ./switch.py puts in force on a Debian with systemd, as NixOS' own switch-to-configuration does on NixOS.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;

  option =
    type: default:
    mkOption {
      inherit type default;
      description = "As in NixOS.";
    };
  # Declared so that a whole machine evaluates; nothing comes of it here.
  ignored = option types.raw null;

  person = types.submodule (
    { name, ... }:
    {
      options = {
        isSystemUser = option types.bool false;
        isNormalUser = option types.bool false;
        group = option types.str "";
        extraGroups = option (types.listOf types.str) [ ];
        home = option types.path "/var/empty";
        createHome = option types.bool false;
        description = option types.str "";
        shell = option (types.nullOr types.raw) null;
        packages = option (types.listOf types.package) [ ];
      };
    }
  );

  # sysusers.d(5)
  accounts =
    lib.mapAttrsToList (name: _: "g ${name} -") config.users.groups
    ++ lib.concatLists (
      lib.mapAttrsToList (
        name: user:
        let
          group = if user.group != "" then user.group else "users";
        in
        [ "u ${name} -:${group} \"${user.description}\" ${user.home} ${if user.isNormalUser then "/bin/bash" else "/usr/sbin/nologin"}" ]
        ++ map (extra: "m ${name} ${extra}") user.extraGroups
      ) config.users.users
    );

  failed = map (each: each.message) (lib.filter (each: !each.assertion) config.assertions);
  enabled = lib.filterAttrs (_: unit: unit.enable) config.systemd.units;

  toplevel = pkgs.runCommand "nixos-system-${config.networking.hostName}" { } ''
    mkdir -p $out/bin $out/sw/bin $out/etc/systemd/system
    cp ${pkgs.writeText "users.conf" (lib.concatMapStrings (line: line + "\n") accounts)} $out/users.conf

    cd $out/etc/systemd/system
    ${lib.concatMapStrings (name: ''
      cp ${pkgs.writeText "unit-${lib.replaceStrings [ "@" ] [ "-" ] name}" enabled.${name}.text} ${name}
      for target in ${toString enabled.${name}.wantedBy}; do mkdir -p $target.wants; ln -s ../${name} $target.wants/; done
      for target in ${toString enabled.${name}.requiredBy}; do mkdir -p $target.requires; ln -s ../${name} $target.requires/; done
    '') (lib.attrNames enabled)}

    for package in ${toString config.environment.systemPackages}; do
      [ $package = /usr ] || ln -s $package/bin/* $out/sw/bin/
    done

    printf '#!/bin/sh\nexec /usr/bin/python3 -I ${./switch.py} %s "$@"\n' $out >$out/bin/switch-to-configuration
    chmod +x $out/bin/switch-to-configuration
  '';
in
{
  imports = [ ./systemd.nix ];

  options = {
    assertions = option (types.listOf types.raw) [ ];
    warnings = option (types.listOf types.str) [ ];
    nixpkgs.hostPlatform = mkOption {
      type = types.str;
      description = "As in NixOS.";
    };
    system = {
      stateVersion = ignored;
      switch.enable = option types.bool true;
      build = option (types.attrsOf types.raw) { };
    };
    virtualisation.memorySize = ignored; # of the module for machines of tests
    specialisation = option (types.attrsOf types.raw) { };
    environment.systemPackages = option (types.listOf types.package) [ ];
    networking.hostName = option types.str "nixos";
    users = {
      users = option (types.attrsOf person) { };
      groups = option (types.attrsOf (types.submodule { })) { };
    };
    boot.loader.systemd-boot.enable = ignored;
    boot.loader.efi.canTouchEfiVariables = ignored;
    fileSystems = ignored;
    security.sudo.enable = option types.bool true;
    time.timeZone = ignored;
  };

  config.system.build.toplevel =
    if failed != [ ] then
      throw "\nFailed assertions:\n${lib.concatMapStringsSep "\n" (message: "- ${message}") failed}"
    else
      lib.foldl' (result: message: builtins.trace "warning: ${message}" result) toplevel config.warnings;
}
