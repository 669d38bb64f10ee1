"""Secrets: read by name where they are needed, and cut out where they do not belong."""
