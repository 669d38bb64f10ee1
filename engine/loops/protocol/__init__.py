"""The agents' shared documents and commit subjects, read as claims, verdicts and done."""
