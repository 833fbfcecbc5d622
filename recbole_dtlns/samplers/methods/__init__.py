"""The samplers, one file a method."""
