"""Interactive figures: one JavaScript module each serves notebooks and static pages."""
