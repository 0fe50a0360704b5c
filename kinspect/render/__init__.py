"""A report as text, JSON, …: each renderer takes a report and gives a string."""
