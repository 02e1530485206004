"""What commands answer, as text for people."""
