"""What comes from others: the lock, floors of fixed versions, the bill of materials, the scanner, the workflow."""
