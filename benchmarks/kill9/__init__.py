"""Processes that are killed, again and again, while they submit and run jobs that a store keeps."""
