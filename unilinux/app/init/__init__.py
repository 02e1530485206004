"""The first process of an image: its source, its plan, and how it is compiled."""
