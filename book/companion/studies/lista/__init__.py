"""LISTA on sparse coding of image patches."""
