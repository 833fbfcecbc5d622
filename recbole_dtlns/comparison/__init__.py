"""The honest comparison: plan -> runs -> statistics -> report."""
