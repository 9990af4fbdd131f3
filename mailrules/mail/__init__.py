"""Bytes to Message. Knows MIME, not Amazon; opens nothing; never raises on bad mail."""
