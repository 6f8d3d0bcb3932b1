"""The query service as a Flask application. README.md says what its variants are."""

import json
import os
from datetime import datetime, timezone

import psycopg2.pool
import redis
import requests
from flask import Flask, Response, jsonify, request

MODEL_URL = os.environ["MODEL_URL"]
VECTOR_URL = os.environ["VECTOR_URL"]
POSTGRES_DSN = os.environ.get("POSTGRES_DSN", "")
GUIDE = os.environ.get("VARIANT", "tuned") == "guide"
CACHE_TTL_SECONDS = 300
TOP_K = 5
THREADS = int(os.environ.get("THREADS", "1"))

app = Flask(__name__)

if GUIDE:
    cache = redis.Redis.from_url(os.environ["REDIS_URL"], max_connections=20)
else:
    cache = redis.Redis(
        connection_pool=redis.BlockingConnectionPool.from_url(
            os.environ["REDIS_URL"], max_connections=THREADS, timeout=10
        )
    )

http = requests.Session()
adapter = requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=THREADS)
http.mount("http://", adapter)

users = psycopg2.pool.ThreadedConnectionPool(0, max(THREADS, 1), POSTGRES_DSN) if POSTGRES_DSN else None


def embed(question):
    response = http.post(f"{MODEL_URL}/embeddings", json={"model": "stand-in", "input": [question]}, timeout=30)
    response.raise_for_status()
    return response.json()["data"][0]["embedding"]


def search(vector):
    response = http.post(VECTOR_URL, json={"vector": vector, "top_k": TOP_K, "include_metadata": True}, timeout=30)
    response.raise_for_status()
    return [match["metadata"]["text"] for match in response.json()["matches"]]


def user_context(user_id):
    if users is None or not user_id:
        return ""
    connection = users.getconn()
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT name, value FROM user_preferences WHERE user_id = %s AND active", (user_id,))
            return "\n".join(f"{name}: {value}" for name, value in cursor.fetchall())
    finally:
        users.putconn(connection)


def generate(question, passages, user):
    prompt = "\n\n".join([*passages, user, question])
    response = http.post(
        f"{MODEL_URL}/chat/completions",
        json={
            "model": "stand-in",
            "messages": [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": prompt},
            ],
        },
        timeout=60,
    )
    response.raise_for_status()
    return response.json()["choices"][0]["message"]["content"]


def answered(body, hit):
    response = Response(body, mimetype="application/json")
    response.headers["X-Cache"] = "HIT-L2" if hit else "MISS"
    return response


@app.post("/query")
def query():
    body = request.get_json(silent=True) or {}
    question, user_id = body.get("query"), body.get("user_id")
    if not isinstance(question, str) or not question:
        return jsonify(error="query must be a string"), 400
    key = f"cache:{question}"
    # The guide embeds ahead of looking into the cache; there is no need to.
    vector = embed(question) if GUIDE else None
    cached = cache.get(key)
    user = user_context(user_id) if GUIDE else None
    if cached is not None:
        return answered(cached, hit=True)
    if vector is None:
        vector = embed(question)
    if user is None:
        user = user_context(user_id)
    passages = search(vector)
    answer = json.dumps(
        {
            "query": question,
            "answer": generate(question, passages, user),
            "context": passages,
            "timestamp": datetime.now(timezone.utc).isoformat(),
        }
    )
    cache.setex(key, CACHE_TTL_SECONDS, answer)
    return answered(answer, hit=False)


@app.get("/health")
def health():
    return jsonify(status="healthy")
