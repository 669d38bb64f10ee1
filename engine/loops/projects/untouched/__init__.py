"""What a live system looks like at one moment, and what of it changed since: the proof that nothing was touched."""
