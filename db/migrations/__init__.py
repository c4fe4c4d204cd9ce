"""Alembic's migrations; they ship with the package."""
