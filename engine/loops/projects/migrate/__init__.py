"""Migration: a staged project of this engine, written from the facts of a live deployment, which stays as it is."""
