# An example machine: one project, which needs no vendor's login.  Take it as a start, with your own hardware.
#
# Its two repositories are on the machine itself and have to belong to the user `loops`, for the agents push.  As root:
#   install -d -o loops -g loops /srv/git
#   cd /srv/git && sudo -u loops git clone --bare YOUR-PLANS project.git && sudo -u loops git clone --bare YOUR-CODE product.git
# Until they are there the units wait, and say so in the journal.
{ pkgs, ... }:
{
  networking.hostName = "appliance";
  system.stateVersion = "26.05";
  time.timeZone = "UTC";
  environment.systemPackages = [ pkgs.git ];
  boot.loader.systemd-boot.enable = true;
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
  };

  services.loops = {
    enable = true;
    projects.demo = {
      # The plans and prompts; agents.toml is written from the settings below.
      source = {
        url = "/srv/git/project.git";
        revision = "main";
      };
      clones = {
        "work/builder" = "/srv/git/product.git";
        "work/adversary" = "/srv/git/product.git";
      };
      limits.memoryMax = "2G";
      settings = {
        defaults.backend = "demo";
        defaults.watch = "heal+stall";
        agent = [
          {
            name = "builder";
            kind = "loop";
            dir = "work/builder";
          }
          {
            name = "adversary";
            kind = "loop";
            dir = "work/adversary";
          }
        ];
        loop = {
          handoff = {
            repo = "work/builder";
            branch = "main";
          };
          phases = [
            {
              id = "1";
              plan = "plans/plan-phase1.md";
              status = "STATUS-1.md";
              items = [ "M1" ];
            }
          ];
        };
      };
    };
  };
}
