"""``nsc describe``: claims as tables, as JSON, as the bare token, or one field of them."""
