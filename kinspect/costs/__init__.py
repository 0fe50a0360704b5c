"""What device code costs, byte by byte, and what packing it in another way would save."""
