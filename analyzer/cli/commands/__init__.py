"""The commands, one file each: thin wrappers around `analyzer.api`."""
