"""One module for each subcommand, imported only when it runs."""
