# The part of nixpkgs' `lib` that this repository uses, and no more: what is not here fails by name.
rec {
  genAttrs =
    names: f:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = f name;
      }) names
    );
  optional = condition: value: if condition then [ value ] else [ ];
  getExe = package: "${package}/bin/${package.meta.mainProgram}";
  makeBinPath = packages: builtins.concatStringsSep ":" (map (package: "${package}/bin") packages);

  licenses.asl20.spdxId = "Apache-2.0";
  platforms.linux = [
    "x86_64-linux"
    "aarch64-linux"
  ];

  # A file set is the list of its paths here; like the real one it refuses a path that does not exist.
  fileset = {
    unions = paths: paths;
    toSource =
      { root, fileset }:
      let
        wanted = map (path: if builtins.pathExists path then toString path else throw "lib.fileset: ${toString path} does not exist") fileset;
        holds = parent: path: path == parent || builtins.substring 0 (builtins.stringLength parent + 1) path == parent + "/";
        keep = path: builtins.any (want: holds want path || holds path want) wanted;
      in
      builtins.path {
        name = "source";
        path = root;
        filter = path: _: keep path;
      };
  };
}
