"""What is compared: plan files, rows, and the configuration of each run."""
