{
  description = "Runs coding agents unattended, keeps them honest, and proves what they did";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      # f: the package set of one system -> this flake's own packages for it -> outputs
      eachSystem = f: lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system} self.packages.${system});
      appliance =
        system:
        lib.nixosSystem {
          modules = [
            self.nixosModules.default
            ./nixos/appliance.nix
            { nixpkgs.hostPlatform = system; }
          ];
        };
    in
    {
      packages = eachSystem (
        pkgs: _: rec {
          engine = pkgs.callPackage ./nixos/package.nix { };
          default = engine;
        }
      );

      apps = eachSystem (
        pkgs: own: rec {
          loops = {
            type = "app";
            program = lib.getExe own.engine;
            meta.description = "The command `loops`";
          };
          demo = {
            type = "app";
            program = "${pkgs.writeShellScript "loops-demo" ''exec ${lib.getExe own.engine} demo "$@"''}";
            meta.description = "Two agents, two phases and some faults on the way, in a throwaway project";
          };
          default = loops;
        }
      );

      overlays.default = final: _: { loops = final.callPackage ./nixos/package.nix { }; };

      nixosModules.default =
        { pkgs, lib, ... }:
        {
          imports = [ ./nixos/module.nix ];
          services.loops.package = lib.mkDefault self.packages.${pkgs.stdenv.hostPlatform.system}.engine;
        };

      nixosConfigurations.appliance = appliance "x86_64-linux";

      checks = eachSystem (
        pkgs: _: {
          engine = pkgs.callPackage ./nixos/package.nix { withTests = true; };
          module = pkgs.callPackage ./nixos/check.nix {
            inherit (appliance pkgs.stdenv.hostPlatform.system) config;
          };
          appliance = pkgs.testers.runNixOSTest (import ./nixos/test.nix { module = self.nixosModules.default; });
        }
      );

      devShells = eachSystem (
        pkgs: own: { default = pkgs.callPackage ./nixos/shell.nix { inherit (own) engine; }; }
      );

      formatter = eachSystem (pkgs: _: pkgs.nixfmt-tree);
    };
}
