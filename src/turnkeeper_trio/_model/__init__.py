"""Values that the engine decides about and that users read, and the guard for a user's objects."""
