"""A stand-in for ``loops claim`` and ``loops verdict``: notes its words, then commits and pushes what they mean."""

import json
import os
import subprocess
import sys

words = sys.argv[1:]
phase = words[words.index("--phase") + 1]
with open(os.environ["STUB_WORDS"], "a", encoding="utf-8") as file:
    file.write(json.dumps(words) + "\n")
if words[0] == "claim":
    path, line = f"machine-docs/STATUS-{phase}.md", f"## Gate: {words[1]} — CLAIMED"
    subject = f"claim({phase} {words[1]}): Gate {words[1]} CLAIMED"
else:
    judged = [word.partition("=") for word in words[1 : words.index("--phase")]]
    said = ", ".join(f"{item} {outcome.partition(':')[0]}" for item, _, outcome in judged)
    path, line, subject = f"machine-docs/REVIEW-{phase}.md", f"## {said}", f"review({phase}): {said}"
os.makedirs("machine-docs", exist_ok=True)
with open(path, "a", encoding="utf-8") as file:
    file.write(line + "\n")
for command in (["add", path], ["commit", "-qm", subject], ["pull", "-q", "--rebase"], ["push", "-q"]):
    subprocess.run(["git", *command], check=True)
