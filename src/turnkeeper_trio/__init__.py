"""A job scheduler with structured concurrency, for trio and asyncio."""
