"""``nsc explain``: who receives what, whose messages arrive, and what stands in the way."""
