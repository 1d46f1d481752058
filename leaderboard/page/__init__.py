"""The pages of the leaderboard, one a file; `app.py` lists them.

Not named `pages`: Streamlit takes a folder of that name beside `app.py` for an older kind of app, and on a
fresh server opens a page of it without `app.py` around it.
"""
