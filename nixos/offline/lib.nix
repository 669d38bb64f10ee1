# The part of nixpkgs' `lib` that this repository uses, written from its manual.  What is not here fails by name.
let
  inherit (builtins)
    all
    any
    attrNames
    attrValues
    concatLists
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    functionArgs
    head
    isAttrs
    isFunction
    isList
    isString
    length
    listToAttrs
    map
    mapAttrs
    removeAttrs
    replaceStrings
    stringLength
    substring
    tail
    ;

  lib = {
    inherit
      all
      any
      attrNames
      attrValues
      concatLists
      concatMap
      concatStringsSep
      elem
      filter
      foldl'
      functionArgs
      head
      isAttrs
      isFunction
      isList
      isString
      length
      listToAttrs
      mapAttrs
      removeAttrs
      replaceStrings
      tail
      ;

    nameValuePair = name: value: { inherit name value; };
    genAttrs = names: f: listToAttrs (map (name: lib.nameValuePair name (f name)) names);
    mapAttrs' = f: set: listToAttrs (map (name: f name set.${name}) (attrNames set));
    mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
    filterAttrs = keep: set: removeAttrs set (filter (name: !keep name set.${name}) (attrNames set));
    setAttrByPath = path: value: if path == [ ] then value else { ${head path} = lib.setAttrByPath (tail path) value; };
    recursiveUpdate =
      old: new:
      if isAttrs old && isAttrs new then
        old // mapAttrs (name: value: if old ? ${name} then lib.recursiveUpdate old.${name} value else value) new
      else
        new;
    mergeAttrsList = foldl' (left: right: left // right) { };

    optional = condition: value: if condition then [ value ] else [ ];
    optionals = condition: values: if condition then values else [ ];
    optionalAttrs = condition: set: if condition then set else { };
    optionalString = condition: text: if condition then text else "";

    toList = value: if isList value then value else [ value ];
    flatten = value: if isList value then concatMap lib.flatten value else [ value ];
    last = list: elemAt list (length list - 1);
    unique = foldl' (seen: item: if elem item seen then seen else seen ++ [ item ]) [ ];
    count = keep: list: length (filter keep list);

    hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
    removePrefix =
      prefix: text: if lib.hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
    concatMapStrings = f: list: concatStringsSep "" (map f list);
    concatMapStringsSep = separator: f: list: concatStringsSep separator (map f list);

    isDerivation = value: isAttrs value && value.type or null == "derivation";
    getExe = package: "${package}/bin/${package.meta.mainProgram}";
    makeBinPath = lib.makeSearchPath "bin";
    makeSearchPath = sub: lib.concatMapStringsSep ":" (package: "${package}/${sub}");

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
          there = path: builtins.pathExists path || throw "lib.fileset: ${toString path} does not exist";
          wanted = map toString (filter there fileset);
          holds = parent: path: path == parent || lib.hasPrefix (parent + "/") path;
          keep = path: builtins.any (want: holds want path || holds path want) wanted;
        in
        builtins.path {
          name = "source";
          path = root;
          filter = path: _: keep path;
        };
    };
  }
  // import ./modules.nix { inherit lib; };
in
lib
