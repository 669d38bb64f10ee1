# What is wrong with the projects of a machine, and what to write instead: a list of texts, known before anything is built.
{
  lib,
  projects,
  unitNames, # of all projects together, without their suffix
}:

let
  inherit (lib) concatMap optional;

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
concatMap (name: complaints name projects.${name}) (lib.attrNames projects) ++ conflicts
