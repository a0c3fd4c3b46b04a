"""The code of the book only: analysis of runs, figures, widgets, studies, the build."""
