#!/bin/sh
# Kept for fingers and for the unit: everything else has moved.
exec python3 "$(dirname "$(readlink -f "$0")")/@PROGRAM@" "$@"
