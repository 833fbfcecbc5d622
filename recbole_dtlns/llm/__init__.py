"""Language models: loading, prompts, and the scoring of labels."""
