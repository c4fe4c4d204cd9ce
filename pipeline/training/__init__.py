"""Recipes that turn labeled images into a classifier, and what a classifier says about a pool."""
