# The leaderboard, without torch: docker build -t vitzero . && docker run --rm -p 7860:7860 vitzero
# A release of yours instead of the built-in sample: docker run --rm -p 7860:7860 -v /path/to/release:/data:ro vitzero \
#     vitzero-leaderboard --address 0.0.0.0 --port 7860 --release /data
FROM python:3.12-slim

WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY store store
COPY proxies proxies
COPY leaderboard leaderboard
COPY builder builder
COPY spaces spaces
COPY conf conf
RUN pip install --no-cache-dir -c constraints.txt ".[app]"

# The process writes nothing, so it needs no folder of its own and no rights.
RUN useradd --system --no-create-home reader
USER reader
ENV PYTHONDONTWRITEBYTECODE=1 STREAMLIT_BROWSER_GATHER_USAGE_STATS=false
EXPOSE 7860
# The server listens once it has drawn every page, which takes a minute on a large release.
HEALTHCHECK --start-period=3m CMD python -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/_stcore/health', timeout=5)"
CMD ["vitzero-leaderboard", "--address", "0.0.0.0", "--port", "7860"]
