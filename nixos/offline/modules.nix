# Options, their types, and evalModules: what this repository uses of nixpkgs' module system, written from its manual.
# Wanting: positions in messages, `apply`, `check = false`, `disabledModules`, renamed options.
{ lib }:
let
  inherit (builtins)
    all
    any
    attrNames
    concatLists
    concatMap
    filter
    foldl'
    functionArgs
    head
    isAttrs
    isBool
    isFloat
    isFunction
    isInt
    isList
    isPath
    isString
    length
    map
    mapAttrs
    match
    removeAttrs
    sort
    toJSON
    ;
  inherit (lib) genAttrs optional optionals;

  # -- properties of definitions --------------------------------------------------------------------------------------

  property = type: extra: content: { _type = type; inherit content; } // extra;
  kind = value: if isAttrs value then value._type or null else null;

  mkIf = condition: property "if" { inherit condition; };
  mkMerge = property "merge" { };
  mkOverride = priority: property "override" { inherit priority; };
  mkOrder = order: property "order" { inherit order; };

  # Push what stands around an attribute set below its names.  No condition is forced by that: a module may ask in a
  # condition for what another part of the same set defines.
  pushDown =
    value:
    let
      around = wrap: map (mapAttrs (_: wrap)) (pushDown value.content);
    in
    {
      "if" = around (mkIf value.condition);
      "override" = around (mkOverride value.priority);
      "merge" = concatMap pushDown value.content;
    }
    .${toString (kind value)} or [ value ];

  # The definitions that hold, each with its priority (smallest wins) and order.
  discharge =
    value:
    {
      "if" = optionals value.condition (discharge value.content);
      "merge" = concatMap discharge value.content;
      "override" = map (each: each // { inherit (value) priority; }) (discharge value.content);
      "order" = map (each: each // { inherit (value) order; }) (discharge value.content);
    }
    .${toString (kind value)} or [
      {
        priority = 100;
        order = 1000;
        inherit value;
      }
    ];

  show =
    value:
    if isFunction value then
      "<function>"
    else if lib.isDerivation value then
      "<derivation ${value.name}>"
    else
      toJSON value;
  showOption = builtins.concatStringsSep ".";

  # The definitions of the option at `place` as one value, or null where there is none.
  mergeDefinitions =
    place: type: values:
    let
      holding = concatMap discharge values;
      best = foldl' (least: each: if each.priority < least then each.priority else least) 9999 holding;
      winning = filter (each: each.priority == best) holding;
      ordered = map (each: each.value) (sort (left: right: left.order < right.order) winning);
      wrong = filter (value: !type.check value) ordered;
    in
    if holding == [ ] then
      null
    else if wrong != [ ] then
      throw "A definition for option `${showOption place}' is not of type `${type.description}'. Definition values: ${show (head wrong)}"
    else
      { value = type.merge place ordered; };

  # -- types ----------------------------------------------------------------------------------------------------------

  # merge: place -> the winning definitions, none of them a property and all of them checked -> value
  makeType =
    {
      name,
      description ? name,
      check ? _: true,
      merge ? equal,
    }:
    {
      _type = "option-type";
      inherit
        name
        description
        check
        merge
        ;
    };

  # nixpkgs' own form, in which a definition is a set with its file.
  mkOptionType =
    given:
    makeType (
      given
      // lib.optionalAttrs (given ? merge) {
        merge =
          place: values:
          given.merge place (
            map (value: {
              file = "<unknown-file>";
              inherit value;
            }) values
          );
      }
    );

  equal =
    place: values:
    if all (value: value == head values) values then
      head values
    else
      throw "The option `${showOption place}' has conflicting definition values: ${toJSON (map show values)}";

  simple = description: check: makeType { name = description; inherit description check; };
  matching = description: pattern: simple description (value: isString value && match pattern value != null);

  types = {
    raw = simple "raw value" (_: true);
    bool = simple "boolean" isBool;
    int = simple "signed integer" isInt;
    float = simple "floating point number" isFloat;
    str = simple "string" isString;
    singleLineStr = matching "(optionally newline-terminated) single-line string" "[^\n\r]*\n?";
    strMatching = pattern: matching "string matching the pattern ${pattern}" pattern;
    package = simple "package" lib.isDerivation;
    path = simple "absolute path" (value: isPath value || lib.isDerivation value || (isString value && lib.hasPrefix "/" value));
    enum = values: simple "one of ${builtins.concatStringsSep ", " (map toJSON values)}" (value: builtins.elem value values);
    ints = {
      positive = simple "positive integer, meaning >0" (value: isInt value && value > 0);
      between =
        low: high:
        simple "integer between ${toString low} and ${toString high} (both inclusive)" (
          value: isInt value && value >= low && value <= high
        );
    };
    nullOr =
      type:
      makeType {
        name = "nullOr";
        description = "null or ${type.description}";
        check = value: value == null || type.check value;
        merge = place: values: if any (value: value == null) values then equal place values else type.merge place values;
      };
    either =
      left: right:
      makeType {
        name = "either";
        description = "${left.description} or ${right.description}";
        check = value: left.check value || right.check value;
        merge = place: values: (if all left.check values then left else right).merge place values;
      };
    oneOf = alternatives: foldl' types.either (head alternatives) (builtins.tail alternatives);
    listOf =
      type:
      makeType {
        name = "listOf";
        description = "list of ${type.description}";
        check = isList;
        merge =
          place: values:
          map (each: each.value) (
            filter (each: each != null) (map (value: mergeDefinitions place type [ value ]) (concatLists values))
          );
      };
    attrsOf =
      type:
      makeType {
        name = "attrsOf";
        description = "attribute set of ${type.description}";
        check = isAttrs;
        merge =
          place: values:
          let
            sets = concatMap pushDown values;
            at = name: mergeDefinitions (place ++ [ name ]) type (concatMap (set: optional (set ? ${name}) set.${name}) sets);
          in
          mapAttrs (_: each: each.value) (
            lib.filterAttrs (_: each: each != null) (genAttrs (attrNames (lib.mergeAttrsList sets)) at)
          );
      };
    submodule =
      module:
      makeType {
        name = "submodule";
        check = value: isAttrs value || isFunction value || isPath value;
        merge =
          place: values:
          (evalModules {
            prefix = place;
            specialArgs.name = lib.last place;
            modules = lib.toList module ++ map (value: if isAttrs value then { config = value; } else value) values;
          }).config;
      };
  };

  # -- modules --------------------------------------------------------------------------------------------------------

  structured = [
    "options"
    "config"
    "imports"
    "freeformType"
    "_file"
  ];

  evalModules =
    {
      modules,
      specialArgs ? { },
      prefix ? [ ],
    }:
    let
      given = specialArgs // { inherit lib config options; };
      callWith = f: f (given // mapAttrs (name: _: given.${name} or config._module.args.${name}) (functionArgs f));
      call =
        module:
        if isPath module || isString module then
          call (import module)
        else if isFunction module then
          call (callWith module)
        else if module ? options || module ? config then
          let
            odd = attrNames (removeAttrs module structured);
          in
          if odd != [ ] then
            throw "Module has an unsupported attribute `${head odd}': with `options` or `config`, definitions belong below `config`."
          else
            module
        else
          {
            config = removeAttrs module structured;
            imports = module.imports or [ ];
          };
      load = concatMap (
        module:
        let
          called = call module;
        in
        load (called.imports or [ ]) ++ [ called ]
      );
      loaded = load ([ { options._module.args = mkOption { type = types.attrsOf types.raw; default = { }; }; } ] ++ modules);
      freeform = foldl' (found: module: if module ? freeformType then module.freeformType else found) null loaded;

      # One level of declarations and definitions -> options, values, and the definitions that nothing declares.
      level =
        place: declarations: definitions:
        let
          sets = concatMap (
            set:
            if isAttrs set then
              pushDown set
            else
              throw "A definition for option `${showOption place}' is not of type `attribute set'. Definition values: ${show set}"
          ) definitions;
          at = name: concatMap (set: optional (set ? ${name}) set.${name});
          below = genAttrs (attrNames (lib.mergeAttrsList declarations)) (
            name:
            let
              declared = at name declarations;
              here = place ++ [ name ];
            in
            if any (each: kind each == "option") declared then
              leaf here (lib.mergeAttrsList declared) (at name sets)
            else
              level here declared (at name sets)
          );
          unknown = filter (name: !below ? ${name}) (attrNames (lib.mergeAttrsList sets));
          under = name: map (each: each // { path = [ name ] ++ each.path; });
        in
        {
          options = mapAttrs (_: each: each.options) below;
          values = mapAttrs (_: each: each.values) below;
          undeclared =
            concatMap (
              name:
              map (value: {
                path = [ name ];
                inherit value;
              }) (at name sets)
            ) unknown
            ++ concatMap (name: under name below.${name}.undeclared) (attrNames below);
        };
      leaf =
        place: option: definitions:
        let
          type = option.type or types.raw;
          fallback = optional (option ? default) (mkOverride 1500 option.default);
          merged = mergeDefinitions place type (definitions ++ fallback);
          isDefined = concatMap discharge definitions != [ ];
        in
        {
          options = option // { inherit isDefined; };
          values =
            if merged == null then
              throw "The option `${showOption place}' was accessed but has no value defined. Try setting the option."
            else if option.readOnly or false && length (concatMap discharge definitions) > 1 then
              throw "The option `${showOption place}' is read-only, but it's set multiple times."
            else
              merged.value;
          undeclared = [ ];
        };

      all' = level prefix (map (module: module.options or { }) loaded) (map (module: module.config or { }) loaded);
      options = all'.options;
      # What no option declares goes to the freeform type, else it is an error for whoever asks for the whole.
      config =
        if freeform == null || all'.undeclared == [ ] then
          all'.values
        else
          lib.recursiveUpdate (freeform.merge prefix (
            map (each: lib.setAttrByPath each.path each.value) all'.undeclared
          )) all'.values;
      checked =
        if freeform == null && all'.undeclared != [ ] then
          let
            first = head all'.undeclared;
          in
          throw "The option `${showOption (prefix ++ first.path)}' does not exist. Definition values: ${
            show (map (each: each.value) (discharge first.value))
          }"
        else
          removeAttrs config [ "_module" ];
    in
    {
      config = checked;
      inherit options;
      extendModules =
        more:
        evalModules {
          inherit specialArgs prefix;
          modules = modules ++ more.modules;
        };
    };

  mkOption = attributes: attributes // { _type = "option"; };
  mkEnableOption =
    what:
    mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = "Whether to enable ${what}.";
    };
in
{
  inherit
    evalModules
    mkEnableOption
    mkIf
    mkMerge
    mkOption
    mkOptionType
    mkOrder
    mkOverride
    showOption
    types
    ;
  mkDefault = mkOverride 1000;
  mkForce = mkOverride 50;
  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;
  literalExpression = text: {
    _type = "literalExpression";
    inherit text;
  };
}
