"""The pages: what people see. They read the store and write answers; long work is for the flows."""
