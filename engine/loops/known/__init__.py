"""What is known of the real agents' command lines, as data, with the versions on which it was seen.

One module a backend.  Whatever can change with a release of theirs (flags, dialogs, limit texts, seeds) stands here and
nowhere else.
"""
