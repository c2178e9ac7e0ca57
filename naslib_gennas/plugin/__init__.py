"""The only code that imports NASLib."""
