"""A simulated world around the supervisor's brain: virtual time, seeded faults, and judges who know the truth."""
