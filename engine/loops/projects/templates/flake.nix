{
  description = "@NAME@: agents that work unattended, under loops";

  # The engine, at exactly this commit (@REF@); nixpkgs is the one that the engine was tested with.
  inputs.loops.url = "@URL@";
  inputs.nixpkgs.follows = "loops/nixpkgs";

  outputs =
    {
      self,
      nixpkgs,
      loops,
    }:
    let
      inherit (nixpkgs) lib;
      eachSystem = f: lib.genAttrs (lib.attrNames loops.packages) f;
    in
    {
      # nix run . -- status
      apps = eachSystem (system: { inherit (loops.apps.${system}) default; });

      packages = eachSystem (system: { inherit (loops.packages.${system}) default engine; });

      # nix develop
      devShells = eachSystem (system: {
        default = nixpkgs.legacyPackages.${system}.mkShell { packages = [ loops.packages.${system}.engine ]; };
      });

      # The project as services of a NixOS machine.  Say besides what is the machine's: clones, credentials, limits.
      nixosModules.default = {
        imports = [ loops.nixosModules.default ];
        services.loops.enable = lib.mkDefault true;
        services.loops.projects."@NAME@" = {
          source = {
            url = "${self}";
            revision = "";
          };
          configFile = lib.mkDefault ./agents.toml;
        };
      };
    };
}
