"""Language models: prompts, loading in 4 bits, scoring two labels, servers. Nothing here knows users or items."""
