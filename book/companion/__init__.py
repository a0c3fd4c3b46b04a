"""The code that only the book needs: analysis of runs, figures, widgets, studies, the build."""
