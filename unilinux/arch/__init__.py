"""What is particular to a processor architecture, as one record."""
