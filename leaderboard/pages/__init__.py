"""The pages of the leaderboard, one a file; `app.py` lists them."""
