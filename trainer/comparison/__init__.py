"""Models on one record set, each with the same budget: trainings, tests of significance, tables, plots, a page."""
