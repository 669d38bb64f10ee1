"""What an agent can see: a sandbox of its own, and a clone without what it must not read before it judges."""
