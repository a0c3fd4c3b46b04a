"""Static figures of the book."""
