"""What is said over HTTP, and promised to clients."""
