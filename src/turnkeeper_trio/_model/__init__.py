"""Values: what the engine decides about and what users read. Frozen, without behaviour but validation and ``to_json``."""
