#!/bin/sh
# rebuild.sh FLAKE#MACHINE: build the machine with the stand-in for nixpkgs, make it the newest generation, and switch to it.
# rebuild.sh --rollback:    switch to the generation before.
# What `nixos-rebuild switch` is on NixOS.  Nix needs `sandbox-paths = /usr /bin /lib /lib64 /etc/alternatives /etc/ssl`.
set -eu
PROFILE=/nix/var/nix/profiles/system
if [ "$1" = --rollback ]; then
  nix-env --profile $PROFILE --rollback
else
  here=$(dirname "$(readlink -f "$0")")
  nix build --no-link --profile $PROFILE --no-write-lock-file --override-input nixpkgs "path:$here" \
    "${1%#*}#nixosConfigurations.${1#*#}.config.system.build.toplevel"
fi
exec $PROFILE/bin/switch-to-configuration switch
