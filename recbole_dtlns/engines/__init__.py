"""Where commands of this program run: on this machine, or on the machines of a Ray cluster."""
