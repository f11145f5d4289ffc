"""What layers stand on: their base, checks of arguments, dropout, normalization, devices."""
