"""The truth of Borderline: SQL tables, migrations and every transaction there is."""
