# The machine that is tested: a project of scripted agents and its neighbour, and a server for their remotes.
# The NixOS test (../test.nix) and the virtual machine of acceptance/machine run the same ../test_script.py on it.
{ pkgs, ... }:
{
  networking.hostName = "machine";
  system.stateVersion = "26.05";
  environment.systemPackages = [ pkgs.git ];

  services.loops.enable = true;

  # Two agents and two phases, and somebody who is told of reboots.
  services.loops.projects.demo = {
    source.url = "git://127.0.0.1/project.git";
    source.revision = "main";
    clones."work/builder" = "git://127.0.0.1/product.git";
    clones."work/adversary" = "git://127.0.0.1/product.git";
    credentials.demo-token = "/var/lib/secrets/demo-token";
    backends = [ pkgs.python3 ]; # check.sh needs it

    settings = {
      defaults.backend = "demo";
      defaults.model = "demo-small";
      defaults.watch = "heal+stall";
      watchdog.stall_grace = 3600;
      backend.demo.flags = [
        "--script"
        "/srv/script.json"
      ];
      agent = [
        {
          name = "builder";
          kind = "loop";
          role = "builder";
          dir = "work/builder";
          credentials.DEMO_TOKEN = "demo-token";
        }
        {
          name = "adversary";
          kind = "loop";
          role = "adversary";
          dir = "work/adversary";
        }
        {
          name = "orchestrator";
          kind = "persistent";
          resume = true;
          prompt_file = "orchestrator.md";
          dir = ".";
        }
        {
          name = "report";
          kind = "task";
          prompt_file = "report.md";
          dir = ".";
        }
        {
          name = "upgrader";
          kind = "task";
          prompt_file = "report.md";
          dir = ".";
          schedule = "Sun *-*-* 03:00";
        }
      ];
      loop.handoff.repo = "work/builder";
      loop.handoff.branch = "main";
      loop.on_complete.run = "report";
      loop.phases = [
        {
          id = "1";
          plan = "plans/plan-phase1.md";
          items = [ "M1" ];
          checks = [ "./check.sh 1" ];
        }
        {
          id = "2";
          plan = "plans/plan-phase2.md";
          items = [ "M1" ];
          checks = [ "./check.sh 2" ];
        }
      ];
    };
  };

  services.loops.projects.neighbour.settings = {
    defaults.watch = "heal";
    service = [
      {
        name = "clock";
        command = [
          "sh"
          "-c"
          "while :; do date; sleep 5; done"
        ];
      }
    ];
  };

  # The remotes, as a server elsewhere would offer them; the demo's secret, which nobody but this machine has ever seen;
  # and how the agents behave at first: the Adversary of phase 1 takes its time.
  systemd.services.remotes = {
    wantedBy = [ "multi-user.target" ];
    before = [ "loops-demo.service" ];
    path = [ pkgs.git ];
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      UMask = "0022";
      ExecStart = "${pkgs.writeShellScript "remotes" ''
        set -eu
        umask 077
        [ -s /var/lib/secrets/demo-token ] || {
          mkdir -p /var/lib/secrets
          od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >/var/lib/secrets/demo-token
        }
        umask 022
        mkdir -p /srv/git
        [ -e /srv/script.json ] || cp ${./script.json} /srv/script.json
        repository() {
          [ ! -e /srv/git/$1.git ] || return 0
          git init --quiet --bare --initial-branch=main /srv/git/$1.new
          git --git-dir /srv/git/$1.new config core.fsync all # a server elsewhere keeps its power
          git --git-dir /srv/git/$1.new --work-tree "$2" add --all
          git --git-dir /srv/git/$1.new --work-tree "$2" -c user.name=operator -c user.email=operator@example.invalid \
            commit --quiet --message "chore: begin"
          chown -R git:git /srv/git/$1.new
          sync
          mv /srv/git/$1.new /srv/git/$1.git
        }
        repository project ${./project}
        repository product ${./product}
      ''}";
    };
  };
  systemd.services.git-daemon = {
    wantedBy = [ "multi-user.target" ];
    after = [ "remotes.service" ];
    serviceConfig = {
      User = "git";
      ExecStart = "${pkgs.git}/bin/git daemon --export-all --enable=receive-pack --reuseaddr --listen=127.0.0.1 --base-path=/srv/git /srv/git";
      Restart = "always";
    };
  };
  users.users.git = {
    isSystemUser = true;
    group = "git";
    home = "/srv/git";
  };
  users.groups.git = { };
}
