"""The engine beside its peers, in one run on one machine: figures are medians, verdicts are ratios."""
