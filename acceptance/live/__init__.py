"""A live deployment as it was run before this engine, and the gates of its migration."""
