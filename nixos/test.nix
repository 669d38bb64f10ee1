# The machine survives what happens to machines: a new configuration and its rollback, a killed supervisor, a reboot, a power
# cut.  What is done to it is in ./test_script.py, which `acceptance/machine` also runs where there is no NixOS.
{ module }:

{
  name = "loops-appliance";

  nodes.machine =
    { lib, ... }:
    {
      imports = [
        module
        ./test/machine.nix
      ];
      virtualisation.memorySize = 2048;
      system.switch.enable = true;
      # Another configuration of the same machine, already built: a test has no network to build it.
      specialisation.changed.configuration = {
        services.loops.projects.demo.settings.watchdog.stall_grace = lib.mkForce 7200;
      };
    };

  testScript =
    let
      switch = directory: "${directory}/bin/switch-to-configuration test 2>&1";
    in
    ''
      change = "${switch "/run/booted-system/specialisation/changed"}"
      change_again = change
      roll_back = "${switch "/run/booted-system"}"
      wrong_change = ""
      store = "/nix/store/*loops* /nix/store/*agents.toml* /nix/store/*-unit-*" # the store here is the host's, and large
    ''
    + builtins.readFile ./test_script.py;
}
