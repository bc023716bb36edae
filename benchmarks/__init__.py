"""What the project claims about speed and memory, measured side by side. `make bench`; see README.md."""
