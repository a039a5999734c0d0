"""What each pose network needs and gives."""
