"""SQL as text: quoting names and values, reading and splitting files."""
