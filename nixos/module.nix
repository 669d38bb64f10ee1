# services.loops: projects whose agents work unattended, each with a holder (owns the agents' sessions), a supervisor and
# the timers of its scheduled tasks.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    filterAttrs
    literalExpression
    mapAttrsToList
    mkEnableOption
    mkIf
    mkMerge
    mkOption
    optionalAttrs
    types
    ;

  cfg = config.services.loops;
  format = pkgs.formats.toml { };
  loops = lib.getExe cfg.package;
  enabled = filterAttrs (_: project: project.enable) cfg.projects;
  home = config.users.users.${cfg.user}.home or "/var/empty"; # without such a user it is refused below

  units = import ./units.nix {
    inherit lib pkgs home;
    inherit (cfg) package user group;
  };

  # `loops-NAME attach builder`: the command `loops`, as the user whom the project belongs to and at its place.
  operatorCommand =
    name:
    pkgs.writeShellScriptBin "loops-${name}" ''
      set -eu
      set -- ${pkgs.coreutils}/bin/env -C ${units.rootOf name} HOME=${home} SHELL=${units.shell} \
        LOOPS_RUNTIME_DIR=/run/loops LOOPS_CONFIG=${units.configOf name} ${loops} "$@"
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
          description = ''
            Clones that the agents work in: the directory below the project's own = the remote. Made where missing, else left
            alone. A remote that is a directory of this machine has to belong to `user`; the agents may write there.
          '';
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

        environment = mkOption {
          type = types.attrsOf types.str;
          default = { };
          example = {
            GIT_SSH_COMMAND = "ssh -i /run/secrets/git-key";
          };
          description = ''
            Variables for the supervisor and, from it, all sessions; an isolated agent gets those that it keeps. Everybody on
            the machine can read them: a secret belongs into `credentials`.
          '';
        };

        writablePaths = mkOption {
          type = types.listOf (types.strMatching "-?/[^[:space:]%]*");
          default = [ ];
          example = [ "/srv/datasets" ];
          description = ''
            Places that the agents may write, beside the project's directory, the user's home, `/tmp` and the remotes on this
            machine; everything else is read-only for them. What may be missing has "-" in front.
          '';
        };

        limits = {
          memoryHigh = mkOption {
            type = types.str;
            default = units.defaults.memory-high;
            description = "Memory of all sessions together above which they are slowed down: bytes with K, M, G, or a share of the machine's.";
          };
          memoryMax = mkOption {
            type = types.str;
            default = units.defaults.memory-max;
            description = "Memory of all sessions together above which the kernel ends one of their processes.";
          };
          tasksMax = mkOption {
            type = types.either types.ints.positive types.str;
            default = units.defaults.tasks-max;
            description = "Most processes and threads of all sessions together.";
          };
          cpuWeight = mkOption {
            type = types.either (types.ints.between 1 10000) types.str;
            default = units.defaults.cpu-weight;
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

  complaints = import ./complaints.nix {
    inherit lib;
    inherit (units) entriesOf;
    inherit (cfg) user group;
    accounts = config.users;
    projects = enabled;
    unitNames = lib.concatLists (
      mapAttrsToList (name: project: lib.attrNames (units.servicesOf name project)) enabled
    );
  };
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
      description = "Whom the projects belong to. Any other user than `loops` has to be there already, with a home outside of /home.";
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
    }) complaints;

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

    systemd.slices.loops = units.slice;
    systemd.services = mkMerge (mapAttrsToList units.servicesOf enabled);
    systemd.timers = mkMerge (mapAttrsToList units.timersOf enabled);

    environment.systemPackages = [ cfg.package ] ++ map operatorCommand (lib.attrNames enabled);
  };
}
