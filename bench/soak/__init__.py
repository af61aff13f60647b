"""A server under everything at once, for minutes: does anything it holds grow? ``python -m bench.soak``.

``served`` is the process that is watched, with four servers: an operator's, configured accounts, a token, certificates.
``clients`` are what comes and goes meanwhile. ``verdict`` compares what is held at rest before and after.
"""
