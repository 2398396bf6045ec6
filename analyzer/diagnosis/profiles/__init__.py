"""What is true of one product or site beyond the standards: a TOML file each."""
