# An operator's machine: its own repository, with the engine as an input.
{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
  inputs.loops.url = "git+file:///root/loops";
  inputs.loops.inputs.nixpkgs.follows = "nixpkgs";

  outputs =
    { nixpkgs, loops, ... }:
    {
      nixosConfigurations.machine = nixpkgs.lib.nixosSystem {
        modules = [
          loops.nixosModules.default
          ./machine.nix
          { nixpkgs.hostPlatform = "x86_64-linux"; }
        ];
      };
    };
}
