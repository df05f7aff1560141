"""Real exchanges: one adapter for the Venue port, and one small profile for each exchange."""
