"""Print the page that documents every proxy."""

from proxies.page import page

print(page(), end="")
