#!/bin/sh
# One line for each boot of the machine; a restart of the service is none.
here=$(dirname "$(readlink -f "$0")")
boot=$(cat /proc/sys/kernel/random/boot_id)
grep -qs "$boot" "$here/REBOOTS.md" || echo "- $(date -u +%FT%TZ) boot $boot" >> "$here/REBOOTS.md"
