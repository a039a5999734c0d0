"""Where cameras stand, from the people who walk before them."""
