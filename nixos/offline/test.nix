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
  # A machine and its specialisations, each of them built as if it were the machine.
  builds =
    modules:
    let
      inherit ((nixosSystem { modules = modules ++ [ { nixpkgs.hostPlatform = system; } ]; })) config;
      others = lib.mapAttrsToList (_: other: nixosSystem { modules = modules ++ [ other.configuration { nixpkgs.hostPlatform = system; } ]; }) config.specialisation;
    in
    map (each: "${each.config.system.build.toplevel}") ([ { inherit config; } ] ++ others);
in
build "vm-test-run-${name}"
  {
    inherit testScript;
    passAsFile = [ "testScript" ];
    machines = lib.concatLists (lib.mapAttrsToList (_: node: builds [ node ]) nodes);
  }
  ''
    /usr/bin/python3 -c 'import sys; compile(open(sys.argv[1]).read(), "testScript", "exec")' "$testScriptPath"
    echo 'NOT RUN: the stand-in for nixpkgs boots no machine' >$out
  ''
// {
  driver = throw "the stand-in for nixpkgs has no test driver: run this test with the real nixpkgs";
}
