"""The endurance test, a part a module, and what the parts share. ``python -m benchmarks.endurance`` runs it."""
