"""Benchmarks: figures as ratios, both sides in one run. ``python -m bench`` runs all of them."""
