"""What the machine has to do with a project: systemd's units for it, and what a boot of the machine means to it."""
