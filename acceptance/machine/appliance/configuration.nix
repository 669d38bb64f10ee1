{
  nixpkgs.hostPlatform = "x86_64-linux";
  networking.hostName = "machine";
  system.stateVersion = "26.05";

  services.loops.enable = true;

  # Two agents, two phases and an orchestrator; all of them scripted.
  services.loops.projects.demo = {
    source.url = "git://127.0.0.1/project.git";
    source.revision = "main";
    clones."work/builder" = "git://127.0.0.1/product.git";
    clones."work/adversary" = "git://127.0.0.1/product.git";
    credentials.demo-token = "/var/lib/secrets/demo-token";

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
          plan = "plans/plan-phase1-median.md";
          items = [ "M1" ];
          checks = [ "./check.sh 1" ];
        }
        {
          id = "2";
          plan = "plans/plan-phase2-again.md";
          items = [ "M1" ];
          checks = [ "./check.sh 2" ];
        }
      ];
    };
  };

  # A neighbour that no change of the other one may touch.
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
}
