# A NixOS test is evaluated and its machines are built, but no machine boots: there is no kernel and no test driver here.
{
  lib,
  system,
  build,
  nixosSystem,
}:

{
  name,
  nodes,
  testScript,
  ...
}:

let
  machine =
    module:
    (nixosSystem {
      modules = [
        module
        { nixpkgs.hostPlatform = system; }
      ];
    }).config.system.build.toplevel;
in
build "vm-test-run-${name}"
  {
    inherit testScript;
    passAsFile = [ "testScript" ];
    machines = lib.mapAttrsToList (_: node: "${machine node}") nodes;
  }
  ''
    /usr/bin/python3 -c 'import sys; compile(open(sys.argv[1]).read(), "testScript", "exec")' "$testScriptPath"
    echo 'NOT RUN: the stand-in for nixpkgs boots no machine' >$out
  ''
// {
  driver = throw "the stand-in for nixpkgs has no test driver: run this test with the real nixpkgs";
}
