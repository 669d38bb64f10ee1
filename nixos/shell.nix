# Everything for `pytest acceptance`, with the engine run from the checkout.
{
  mkShell,
  python3,
  bubblewrap,
  engine,
  git,
  shellcheck,
  tmux,
}:

let
  checkout = python3.pkgs.mkPythonEditablePackage {
    inherit (engine) pname version dependencies;
    root = "$LOOPS_CHECKOUT/engine";
    scripts.loops = "loops.__main__:main";
  };
in
mkShell {
  packages = [
    (python3.withPackages (_: [ checkout ] ++ engine.optional-dependencies.test))
    bubblewrap
    git
    shellcheck
    tmux
  ];

  shellHook = ''
    LOOPS_CHECKOUT=$(git rev-parse --show-toplevel)
    export LOOPS_CHECKOUT
  '';
}
