"""From what a network saw to joints in metres."""
