"""Stores as released versions left them: one a schema revision, as plain INSERT statements."""
