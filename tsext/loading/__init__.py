"""Loading files in parallel: interrupted at any point, nothing is missing and nothing is there twice."""
