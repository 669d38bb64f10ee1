"""scripts.py LIBRARY BIN: write the start scripts that the wheels unpacked in LIBRARY declare."""

import configparser
import sys
from pathlib import Path

library, bin_directory = map(Path, sys.argv[1:])
for declared in library.glob("*.dist-info/entry_points.txt"):
    parser = configparser.ConfigParser()
    parser.read_string(declared.read_text())
    for name, target in parser["console_scripts"].items():
        module, function = target.split(":")
        script = bin_directory / name
        script.write_text(
            f"#!/usr/bin/python3\nimport sys\n\nfrom {module} import {function}\n\nsys.exit({function}())\n"
        )
        script.chmod(0o755)
