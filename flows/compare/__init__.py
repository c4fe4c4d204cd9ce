"""`borderline compare`: strategies compared on data whose labels are known, each point in SQL as soon as it is made."""
