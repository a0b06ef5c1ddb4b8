"""What every long-running command needs around its work: health, metrics page, logs, signals, supervision."""
