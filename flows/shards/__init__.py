"""Ranking by shards: on a Ray cluster, with one load of the model an actor; ids and paths are all that travels."""
