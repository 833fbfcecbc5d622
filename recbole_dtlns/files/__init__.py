"""What lies on disk: run folders, cache, the one reader of text files, and where a file comes from."""
