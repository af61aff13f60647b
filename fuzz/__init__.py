"""Fuzz targets. Each module with a function ``one(random)`` is one: it makes an input, uses it, and raises if it must not.

``python -m fuzz [--seconds N] [TARGET ...]`` runs them; the compiled core is built with the address sanitizer for it.
"""
