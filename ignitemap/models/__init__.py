"""Models: what a Python class is to Ignite. The only part of the package that knows attrs classes and type hints."""
