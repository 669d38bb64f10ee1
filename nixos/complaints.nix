# What is wrong with the projects of a machine, and what to write instead: a list of texts, known before anything is built.
{
  lib,
  user,
  group,
  accounts, # the machine's `users`
  projects,
  entriesOf,
  unitNames, # of all projects together, without their suffix
}:

let
  inherit (lib) concatMap optional;

  complaints =
    name: project:
    let
      here = "services.loops.projects.${name}";
      settings = if project.settings == null then { } else project.settings;
      wanted = lib.unique (
        concatMap (entry: strings (entry.credentials or { })) (entriesOf "agent" project ++ entriesOf "service" project)
        ++ map (lib.removePrefix "credential:") (
          lib.filter (lib.hasPrefix "credential:") (strings (settings.backend or { }) ++ strings (settings.notify or { }))
        )
      );
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
      ${here}: something in `settings` asks for the credential "${credential}". Write ${here}.credentials.${credential} = "/run/secrets/${credential}";'') (
      lib.filter (credential: !project.credentials ? ${credential}) wanted
    )
    ++ concatMap (
      directory:
      optional (lib.hasPrefix "/" directory || builtins.match "(.*/)?\\.\\.(/.*)?" directory != null) ''
        ${here}.clones."${directory}": a clone lies below the project's own directory. Write it like "work/builder".''
    ) (lib.attrNames project.clones)
    ++ concatMap (
      url:
      optional (isHidden (lib.removePrefix "file://" url)) ''
        ${here}: the units cannot see ${url}, for homes are hidden from them. Put the repository elsewhere, like /srv/git.''
    ) (optional (project.source != null) project.source.url ++ lib.attrValues project.clones);

  # All texts in a value of TOML.
  strings =
    value:
    if lib.isString value then
      [ value ]
    else if lib.isList value then
      concatMap strings value
    else if lib.isAttrs value && !lib.isDerivation value then
      concatMap strings (lib.attrValues value)
    else
      [ ];

  ofUser =
    let
      known = accounts.users ? ${user};
      home = accounts.users.${user}.home;
    in
    optional (!known) ''
      services.loops.user: this machine has no user "${user}". Write users.users.${user} = { isSystemUser = true; group = "${group}"; home = "/var/lib/${user}"; createHome = true; };''
    ++ optional (!accounts.groups ? ${group}) ''
      services.loops.group: this machine has no group "${group}". Write users.groups.${group} = { };''
    ++ optional (known && isHidden home) ''
      services.loops.user: the units cannot see ${home}, where ${user} has its logins, for homes are hidden from them. Give it a home like /var/lib/${user}.'';

  isHidden = path: lib.any (home: path == home || lib.hasPrefix "${home}/" path) [ "/home" "/root" ];

  # Groups of projects or units that cannot live beside each other.
  repeated = names: lib.unique (lib.filter (name: lib.count (other: other == name) names > 1) names);
  prefixes = concatMap (project: optional (project.settings != null) project.settings.defaults.session_prefix) (
    lib.attrValues projects
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
ofUser ++ concatMap (name: complaints name projects.${name}) (lib.attrNames projects) ++ conflicts
