# The units of a project, from the text that every machine with systemd has: engine/loops/boot/units.toml, which also says
# why each line is there.  loops.boot.units renders the same file; acceptance/machine/test_flake.py compares the two.
{
  lib,
  pkgs,
  package,
  user,
  group,
  home,
}:

let
  inherit (lib)
    concatMap
    filterAttrs
    mapAttrsToList
    optional
    optionalAttrs
    ;

  source = builtins.fromTOML (builtins.readFile ../engine/loops/boot/units.toml);
  loops = lib.getExe package;
  rootOf = name: "/var/lib/loops/${name}";
  configOf = name: "${rootOf name}/agents.toml";

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
    inherit
      name
      loops
      user
      group
      home
      ;
    root = rootOf name;
    config = configOf name;
    prepare = lib.concatStringsSep " " (map word (prepareArguments name project));
    credentials = mapAttrsToList (credential: file: "${credential}:${toString file}") project.credentials;
    writable = lib.unique (
      optional (home != "/var/lib/loops") "-${home}" ++ localRemotes project ++ project.writablePaths
    );
    memory-high = project.limits.memoryHigh;
    memory-max = project.limits.memoryMax;
    tasks-max = project.limits.tasksMax;
    cpu-weight = project.limits.cpuWeight;
  };

  # tmux, and many an agent, runs commands by $SHELL; that of a system user on NixOS is a `nologin` which systemd does not
  # know as one.
  shell = "${pkgs.bash}/bin/bash";

  # Remotes that are directories of this machine: a push writes there.  Without "-" in front, so that the unit waits for a
  # file system that is not mounted yet; with it the place would stay read-only for as long as the holder lives.
  localRemotes =
    project:
    lib.filter (lib.hasPrefix "/") (map (lib.removePrefix "file://") (lib.attrValues project.clones));

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

  # The entries `[[kind]]` of the settings, as far as they are such: what else is written there the engine refuses.
  entriesOf =
    kind: project:
    let
      found = if project.settings == null then [ ] else project.settings.${kind} or [ ];
    in
    lib.filter lib.isAttrs (lib.optionals (lib.isList found) found);

  # Task by task: the calendar that its entry names.  Known here only where the settings are; else the supervisor keeps it.
  schedulesOf =
    project:
    lib.listToAttrs (
      map (agent: lib.nameValuePair agent.name agent.schedule) (
        lib.filter (agent: agent ? schedule && agent ? name) (entriesOf "agent" project)
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
      environment = {
        SHELL = shell; # all sessions have it from here
      }
      // project.environment;
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
in
{
  inherit
    rootOf
    configOf
    entriesOf
    shell
    servicesOf
    timersOf
    ;
  inherit (source) defaults;
  slice = {
    unitConfig = source.slice.Unit;
    sliceConfig = source.slice.Slice;
  };
}
