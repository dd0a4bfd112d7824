"""What `endurance.py` measures, a part a module, and what the parts share."""
