TRANSITIONS: dict[tuple[int, int], int]
STATE_NAMES: tuple[str, ...]
EVENT_NAMES: tuple[str, ...]
