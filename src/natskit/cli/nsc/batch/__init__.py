"""``nsc batch``: many commands in one process."""
