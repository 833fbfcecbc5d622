"""Runs of a comparison: order, processes, progress, and what makes a finished run usable."""
