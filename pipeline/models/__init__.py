"""Classifiers by name; all take pixels in [0, 1], give logits, and show their embedding (`features`) and `head`."""
