"""Trials on valid: which values are searched, and how."""
