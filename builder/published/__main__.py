"""Print the page that documents every importer."""

from builder.published.page import page

print(page(), end="")
