{
  description = "Stand-in for nixpkgs where there is no cache: Debian's packages under nixpkgs' names, for tests only";

  outputs =
    { self }:
    let
      lib = import ./lib.nix;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      legacyPackages = lib.genAttrs systems (system: import ./packages.nix { inherit lib system nixosSystem; });
      nixosSystem =
        {
          modules,
          specialArgs ? { },
        }:
        lib.evalModules {
          inherit specialArgs;
          modules = [
            ./nixos.nix
            (
              { config, ... }:
              {
                _module.args.pkgs = legacyPackages.${config.nixpkgs.hostPlatform};
              }
            )
          ]
          ++ modules;
        };
    in
    {
      lib = lib // {
        inherit nixosSystem;
      };
      inherit legacyPackages;
    };
}
