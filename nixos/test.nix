# The machine survives what happens to machines: a killed engine, a reboot, a power cut.
{ module }:

{
  name = "loops-appliance";

  nodes.machine = {
    imports = [
      module
      ./appliance.nix
    ];
  };

  testScript = builtins.readFile ./test.py;
}
