"""Who is at the page when a name is not enough: cookies, the login's own pages, the gate, and login providers."""
