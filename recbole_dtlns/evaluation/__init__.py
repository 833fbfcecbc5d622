"""What a trained run is worth: test, leak checks, `result.json`, loading a run, lists for users."""
