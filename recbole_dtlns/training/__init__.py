"""One training step and the trainer around it: scores, losses, negatives, judged lists, resuming."""
