#!/bin/sh
# rebuild.sh switch --flake FLAKE#MACHINE: build the machine with the stand-in for nixpkgs, make it the newest generation,
#                                          put it in force
# rebuild.sh switch --rollback:            put the generation before in force again
# What `nixos-rebuild` is on NixOS, with its words; `dry-activate` in the place of `switch` only says what would happen.
# Nix needs `sandbox-paths = /usr /bin /lib /lib64 /etc/alternatives /etc/ssl`.
set -eu
PROFILE=/nix/var/nix/profiles/system
case "${1:-} ${2:-} ${3:-}" in
  "switch --flake "?*"#"?* | "dry-activate --flake "?*"#"?*)
    here=$(dirname "$(readlink -f "$0")")
    [ "$1" = switch ] && keep="--profile $PROFILE" || keep=--no-link
    # shellcheck disable=SC2086 # two words
    new=$(nix build $keep --print-out-paths --no-write-lock-file --override-input nixpkgs "path:$here" \
      "${3%#*}#nixosConfigurations.${3#*#}.config.system.build.toplevel") ;;
  "switch --rollback ")
    nix-env --profile $PROFILE --rollback
    new=$(readlink -f $PROFILE) ;;
  *)
    sed -n '2,5s/^# //p' "$0" >&2
    exit 2 ;;
esac
exec "$new/bin/switch-to-configuration" "$1"
