"""Many projects: what fleet.toml says of them, compared with what is there, and changed."""
