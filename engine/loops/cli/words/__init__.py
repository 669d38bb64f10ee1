"""The verbs of the larger rooms: a module each, with their options beside them."""
