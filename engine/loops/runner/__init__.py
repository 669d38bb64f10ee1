"""The small program between the holder's terminal and one real agent: it drives, records, normalizes and shows.

Standard library only, started as ``python -I -S program.py ORDER``, so that it is small and quick.
"""
