"""Interactive figures: one JavaScript module each, for notebooks and static pages."""
