"""From keys to a run: settings, their checks, which sampler, view and judge run, plugins."""
