"""Figures, made with matplotlib's objects: no global state, so that they may be drawn anywhere."""
