"""Overview of the book: findings, reading paths, gallery, downloads, descriptions of pages."""
