"""Where the bytes of an image are."""
