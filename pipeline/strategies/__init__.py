"""What to ask next: given a pool and a model, the k images whose labels should teach most."""
