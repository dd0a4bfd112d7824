"""Values: what the engine decides about and what users read. Frozen; all they can do is show themselves."""
