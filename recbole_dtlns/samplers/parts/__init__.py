"""What several samplers share: histories, exclusion, layers, gates, the tree view."""
