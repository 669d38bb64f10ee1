"""Raw streams of real agents, normalized: one vocabulary, every event with the place and digest of its raw line.

Pure and standard library only: the runner normalizes while it records, and `loops events --again` does it once more
from the recording, to the same bytes.
"""
