# The example machine as a real nixpkgs.lib sees it: the stand-in's modules and packages, evaluated by the real `lib`.
{ nixpkgs }:

let
  lib = import (nixpkgs + "/lib");
  packages = import ./packages.nix {
    inherit lib;
    system = "x86_64-linux";
    nixosSystem = throw "no test is evaluated here";
  };
in
lib.evalModules {
  modules = [
    ./nixos.nix
    ../module.nix
    ../appliance.nix
    {
      _module.args.pkgs = packages;
      nixpkgs.hostPlatform = "x86_64-linux";
      services.loops.package = packages.callPackage ../package.nix { };
    }
  ];
}
