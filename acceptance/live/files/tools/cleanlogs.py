#!/usr/bin/env python3
"""Remove logs that are older than some days, every hour, for ever."""

import argparse
import os
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--keep", type=float, default=7, help="days")
parser.add_argument("directory")
asked = parser.parse_args()
while True:
    oldest = time.time() - asked.keep * 86400
    for name in sorted(os.listdir(asked.directory)):
        path = os.path.join(asked.directory, name)
        if name.endswith(".log.old") and os.path.getmtime(path) < oldest:
            os.unlink(path)
            print(f"removed {name}", flush=True)
    time.sleep(3600)
