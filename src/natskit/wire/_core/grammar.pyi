def shape(subject: bytes) -> int:
    """0: no valid subscription subject, 1: literal, 2: with wildcards."""
