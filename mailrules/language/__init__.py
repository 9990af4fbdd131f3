"""Text to checked definitions: a small typed language that knows no mail, no notices, no actions by name."""
