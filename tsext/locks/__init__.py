"""Acquiring locks without making others wait, and measuring what a migration does to them."""
