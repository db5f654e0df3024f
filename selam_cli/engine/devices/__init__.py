"""Which device is open, and what its losses mean."""
