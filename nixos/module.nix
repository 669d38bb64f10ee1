# services.loops: projects whose agents work unattended, each with a holder (owns the agents' sessions), a supervisor and
# the timers of its scheduled tasks.  What the units say, and why, is in engine/loops/boot/units.toml; this file fills it in.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    concatMap
    filterAttrs
    literalExpression
    mapAttrsToList
    mkEnableOption
    mkIf
    mkMerge
    mkOption
    optional
    optionalAttrs
    types
    ;

  cfg = config.services.loops;
  source = builtins.fromTOML (builtins.readFile ../engine/loops/boot/units.toml);
  format = pkgs.formats.toml { };
  loops = lib.getExe cfg.package;
  enabled = filterAttrs (_: project: project.enable) cfg.projects;

  rootOf = name: "/var/lib/loops/${name}";
  configOf = name: "${rootOf name}/agents.toml";
  inherit (config.users.users.${cfg.user}) home;

  # -- the unit text ---------------------------------------------------------------------------------------------------

  # One section of a unit: several tables as one (lists add up), with every @name@ replaced.
  section =
    values: tables:
    let
      add = lib.foldl' (
        all: table:
        all // lib.mapAttrs (key: value: if all ? ${key} && lib.isList value then all.${key} ++ value else value) table
      ) { };
      flat = filterAttrs (_: value: !lib.isAttrs value); # `hardening` holds a table for each unit beside its own keys
      names = lib.attrNames values;
      texts = map (name: if lib.isList values.${name} then "@${name}@" else toString values.${name}) names;
      marks = map (name: "@${name}@") names;
      replace =
        value:
        if lib.isList value then
          lib.unique (concatMap (each: lib.toList (replace each)) value)
        else if !lib.isString value then
          value
        else
          lib.foldl' (found: name: if value == "@${name}@" && lib.isList values.${name} then values.${name} else found) (
            lib.replaceStrings marks texts value
          ) names;
    in
    lib.mapAttrs (_: replace) (add (map flat tables));

  service =
    values: kind:
    {
      unitConfig = section values [ source.${kind}.Unit ];
      serviceConfig = section values [
        source.${kind}.Service
        (source.hosted.${kind} or { })
        source.hardening
        (source.hardening.${kind} or { })
      ];
    }
    // optionalAttrs (source.${kind} ? Install) { wantedBy = lib.toList source.${kind}.Install.WantedBy; };

  valuesOf = name: project: {
    inherit name loops home;
    inherit (cfg) user group;
    root = rootOf name;
    config = configOf name;
    prepare = lib.concatStringsSep " " (map word (prepareArguments name project));
    credentials = mapAttrsToList (credential: file: "${credential}:${toString file}") project.credentials;
    memory-high = project.limits.memoryHigh;
    memory-max = project.limits.memoryMax;
    tasks-max = project.limits.tasksMax;
    cpu-weight = project.limits.cpuWeight;
  };

  # A word of a command line as systemd reads it back: % and $ are its own.
  word =
    text:
    let
      doubled = lib.replaceStrings [ "%" "$" ] [ "%%" "$$" ] text;
    in
    if builtins.match "[A-Za-z0-9_@%+=:,./$-]+" text != null then doubled else builtins.toJSON doubled;

  prepareArguments =
    name: project:
    [
      "--root"
      (rootOf name)
    ]
    ++ lib.optionals (project.checkedConfig != null) [
      "--config"
      "${project.checkedConfig}"
    ]
    ++ lib.optionals (project.source != null) [
      "--source"
      project.source.url
      "--revision"
      project.source.revision
    ]
    ++ concatMap (directory: [
      "--clone"
      "${directory}=${project.clones.${directory}}"
    ]) (lib.attrNames project.clones);

  # Task by task: the calendar that its entry names.  Known here only where the settings are; else the supervisor keeps it.
  schedulesOf =
    project:
    lib.listToAttrs (
      map (agent: lib.nameValuePair agent.name agent.schedule) (
        lib.filter (agent: agent ? schedule) (if project.settings == null then [ ] else project.settings.agent or [ ])
      )
    );

  supervisorOf =
    name: project:
    let
      unit = service (valuesOf name project) "supervisor";
      keepsCalendar = project.settings == null;
    in
    unit
    // {
      serviceConfig = unit.serviceConfig // {
        Environment = lib.filter (
          line: !(keepsCalendar && line == "LOOPS_SCHEDULES=systemd")
        ) unit.serviceConfig.Environment;
      };
    };

  servicesOf =
    name: project:
    let
      # What every session finds on its PATH, after the engine's own git and tmux.
      path = [
        pkgs.bash
        pkgs.bubblewrap
        pkgs.git
        pkgs.openssh
        pkgs.tmux
      ]
      ++ project.backends;
    in
    {
      "loops-${name}-holder" = service (valuesOf name project) "holder" // {
        inherit path;
        restartIfChanged = false; # its sessions would end; the running one is replaced at the next boot
      };
      # Its checked configuration is a word of ExecStartPre, so that a change of it restarts this unit and no other.
      "loops-${name}" = supervisorOf name project // {
        inherit path;
        stopIfChanged = false; # restarted in one go: the agents are without a supervisor for a second, not for a whole switch
      };
    }
    // lib.mapAttrs' (
      task: _:
      lib.nameValuePair "loops-${name}-${task}" (
        service (valuesOf name project // { inherit task; }) "task" // { restartIfChanged = false; }
      )
    ) (schedulesOf project);

  timersOf =
    name: project:
    lib.mapAttrs' (
      task: schedule:
      let
        values = valuesOf name project // { inherit task schedule; };
      in
      lib.nameValuePair "loops-${name}-${task}" {
        unitConfig = section values [ source.timer.Unit ];
        timerConfig = section values [ source.timer.Timer ];
        wantedBy = lib.toList source.timer.Install.WantedBy;
      }
    ) (schedulesOf project);

  # `loops-NAME attach builder`: the command `loops`, as the user whom the project belongs to and at its place.
  operatorCommand =
    name:
    pkgs.writeShellScriptBin "loops-${name}" ''
      set -eu
      set -- ${pkgs.coreutils}/bin/env -C ${rootOf name} HOME=${home} LOOPS_RUNTIME_DIR=/run/loops \
        LOOPS_CONFIG=${configOf name} ${loops} "$@"
      if [ "$(id -un)" = ${cfg.user} ]; then exec "$@"; fi
      if [ "$(id -u)" = 0 ]; then exec ${pkgs.util-linux}/bin/runuser -u ${cfg.user} -- "$@"; fi
      exec /run/wrappers/bin/sudo -u ${cfg.user} -- "$@"
    '';

  # -- options ---------------------------------------------------------------------------------------------------------

  project =
    { name, config, ... }:
    {
      options = {
        enable = mkEnableOption "this project" // {
          default = true;
        };

        source = mkOption {
          type = types.nullOr (
            types.submodule {
              options = {
                url = mkOption {
                  type = types.str;
                  example = "https://git.example.org/team/project.git";
                  description = "The git repository with the project's plans and prompts: a URL, or a path on the machine.";
                };
                revision = mkOption {
                  type = types.str;
                  example = "v1.4.0";
                  description = "The commit, tag or branch that is checked out when the supervisor starts.";
                };
              };
            }
          );
          default = null;
          description = "Where the project's directory, {file}`/var/lib/loops/NAME`, comes from; without it, it begins empty.";
        };

        settings = mkOption {
          type = types.nullOr (
            types.submodule {
              freeformType = format.type;
              options.defaults.session_prefix = mkOption {
                type = types.str;
                default = "${name}-";
                description = "Start of every session's name; no two projects of a machine may share it.";
              };
              options.defaults.log_dir = mkOption {
                type = types.str;
                default = ".loops";
                description = "Place for logs and state, below the project's directory.";
              };
            }
          );
          default = null;
          example = literalExpression ''
            {
              defaults.backend = "claude";
              agent = [
                { name = "builder"; kind = "loop"; dir = "work/builder"; }
              ];
            }
          '';
          description = ''
            The contents of {file}`agents.toml`, as `schemas/agents.schema.json` describes them.
            The engine checks them when the system is built: a wrong key fails the build, with its place and the nearest known one.
          '';
        };

        configFile = mkOption {
          type = types.nullOr types.path;
          default = null;
          example = literalExpression "./agents.toml";
          description = ''
            An {file}`agents.toml` to take instead of `settings`, checked in the same way. Without either, the one in
            `source` holds, which nobody can check before the machine has it.
          '';
        };

        clones = mkOption {
          type = types.attrsOf types.str;
          default = { };
          example = {
            "work/builder" = "git@git.example.org:team/product.git";
          };
          description = "Clones that the agents work in: the directory below the project's own = the remote. Made where missing, else left alone.";
        };

        credentials = mkOption {
          type = types.attrsOf types.path;
          default = { };
          example = {
            anthropic = "/run/secrets/anthropic";
          };
          description = ''
            Secrets by the name under which `agents.toml` asks for them: the file that systemd reads at the supervisor's
            start (as root). It is never copied into the Nix store; sops-nix and agenix name such files.
          '';
        };

        backends = mkOption {
          type = types.listOf types.package;
          default = [ ];
          example = literalExpression "[ pkgs.claude-code pkgs.nodejs ]";
          description = "Packages on the agents' PATH: their command lines, and the tools that they work with.";
        };

        limits = {
          memoryHigh = mkOption {
            type = types.str;
            default = source.defaults.memory-high;
            description = "Memory of all sessions together above which they are slowed down: bytes with K, M, G, or a share of the machine's.";
          };
          memoryMax = mkOption {
            type = types.str;
            default = source.defaults.memory-max;
            description = "Memory of all sessions together above which the kernel ends one of their processes.";
          };
          tasksMax = mkOption {
            type = types.either types.ints.positive types.str;
            default = source.defaults.tasks-max;
            description = "Most processes and threads of all sessions together.";
          };
          cpuWeight = mkOption {
            type = types.either (types.ints.between 1 10000) types.str;
            default = source.defaults.cpu-weight;
            description = "Share of the processor when others want it too; 100 is what everything else has.";
          };
        };

        checkedConfig = mkOption {
          type = types.nullOr types.package;
          internal = true;
          readOnly = true;
          description = "The agents.toml that the engine found good, or null where `source` brings its own.";
        };
      };

      config.checkedConfig =
        if config.settings == null && config.configFile == null then
          null
        else
          pkgs.runCommand "loops-${name}-agents.toml"
            {
              given =
                if config.configFile != null then
                  "${config.configFile}"
                else
                  format.generate "agents.toml" config.settings;
            }
            ''
              ${loops} --config "$given" validate --no-files
              cp "$given" "$out"
            '';
    };

  # -- what can be said before anything is built -------------------------------------------------------------------------

  complaints =
    name: project:
    let
      here = "services.loops.projects.${name}";
      agents = if project.settings == null then [ ] else project.settings.agent or [ ] ++ project.settings.service or [ ];
      wanted = lib.unique (concatMap (agent: lib.attrValues (agent.credentials or { })) agents);
    in
    optional (builtins.match "[a-z][a-z0-9-]*" name == null) ''
      ${here}: a project's name is part of its units' names. Write small letters, digits and "-", a letter first.''
    ++ optional (project.settings != null && project.configFile != null) ''
      ${here}: `settings` and `configFile` are both set, and there is one agents.toml. Remove one of them.''
    ++ optional (project.settings == null && project.configFile == null && project.source == null) ''
      ${here}: nothing says what to run. Write the contents of agents.toml into `settings`, name the file in `configFile`, or name in `source` the repository that has it.''
    ++ concatMap (
      credential:
      optional (lib.hasPrefix builtins.storeDir (toString project.credentials.${credential})) ''
        ${here}.credentials.${credential}: the file is in the Nix store, which everybody on the machine can read. Keep the secret outside (sops-nix, agenix), and write the path that it has on the machine as a text: "/run/secrets/${credential}".''
    ) (lib.attrNames project.credentials)
    ++ map (credential: ''
      ${here}: an entry of `settings` asks for the credential "${credential}". Write ${here}.credentials.${credential} = "/run/secrets/${credential}";'') (
      lib.filter (credential: !project.credentials ? ${credential}) wanted
    )
    ++ concatMap (
      directory:
      optional (lib.hasPrefix "/" directory || builtins.match "(.*/)?\\.\\.(/.*)?" directory != null) ''
        ${here}.clones."${directory}": a clone lies below the project's own directory. Write it like "work/builder".''
    ) (lib.attrNames project.clones)
    ++ concatMap (
      url:
      optional (lib.hasPrefix "/home/" url || lib.hasPrefix "/root/" url) ''
        ${here}: the units cannot see ${url}, for homes are hidden from them. Put the repository elsewhere, like /srv/git.''
    ) (optional (project.source != null) project.source.url ++ lib.attrValues project.clones);

  # Groups of projects or units that cannot live beside each other.
  repeated = names: lib.unique (lib.filter (name: lib.count (other: other == name) names > 1) names);
  unitNames = concatMap (name: lib.attrNames (servicesOf name enabled.${name})) (lib.attrNames enabled);
  prefixes = concatMap (project: optional (project.settings != null) project.settings.defaults.session_prefix) (
    lib.attrValues enabled
  );
  conflicts =
    map (unit: ''
      services.loops.projects: two units would have the name ${unit}.service. Rename a project or a scheduled task.'') (
      repeated unitNames
    )
    ++ map (prefix: ''
      services.loops.projects: several projects have the session prefix "${prefix}". Write another one into settings.defaults.session_prefix of all but one.'') (
      repeated prefixes
    );
in
{
  options.services.loops = {
    enable = mkEnableOption "the loops: coding agents that work unattended";

    package = mkOption {
      type = types.package;
      defaultText = literalExpression "the flake's own engine";
      description = "The engine.";
    };

    user = mkOption {
      type = types.str;
      default = "loops";
      description = "Whom the projects belong to. Any other user than `loops` has to be there already.";
    };

    group = mkOption {
      type = types.str;
      default = "loops";
      description = "The primary group of `user`. Any other group than `loops` has to be there already.";
    };

    projects = mkOption {
      type = types.attrsOf (types.submodule project);
      default = { };
      description = ''
        The projects by name. `loops-NAME VERB` is an operator's command for each: `loops-NAME status`, `loops-NAME attach builder`.
      '';
    };
  };

  config = mkIf cfg.enable {
    assertions = map (message: {
      assertion = false;
      inherit message;
    }) (concatMap (name: complaints name enabled.${name}) (lib.attrNames enabled) ++ conflicts);

    # Static, so that an operator can become it, and what it owns stays its own after the last unit is gone.
    users.users = optionalAttrs (cfg.user == "loops") {
      loops = {
        isSystemUser = true;
        inherit (cfg) group;
        home = "/var/lib/loops";
        description = "Agents that work unattended";
      };
    };
    users.groups = optionalAttrs (cfg.group == "loops") { loops = { }; };

    systemd.slices.loops = {
      unitConfig = source.slice.Unit;
      sliceConfig = source.slice.Slice;
    };
    systemd.services = mkMerge (mapAttrsToList servicesOf enabled);
    systemd.timers = mkMerge (mapAttrsToList timersOf enabled);

    environment.systemPackages = [ cfg.package ] ++ map operatorCommand (lib.attrNames enabled);
  };
}
