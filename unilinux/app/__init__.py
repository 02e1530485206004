"""Applications: manifest, catalogue, build, configuration files, init and the tree of the image."""
