"""Fuzz targets: each module with a function ``one(random)``, which makes an input, uses it, and raises if it must not.

``python -m fuzz [--seconds N] [TARGET ...]`` runs them; the compiled core is built with the address sanitizer for it.
"""
