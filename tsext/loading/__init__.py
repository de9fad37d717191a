"""Loading files into a table: in parallel, so that it can be interrupted at any point and nothing is twice or missing."""
