"""Print the page that documents every combiner."""

from proxies.combiners.page import page

print(page(), end="")
