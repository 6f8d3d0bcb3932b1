"""The query service as a FastAPI application. README.md says what its variants are."""

import asyncio
import json
import os
from datetime import datetime, timezone
from typing import Optional

import asyncpg
import httpx
import redis.asyncio as redis
from fastapi import FastAPI, Response
from pydantic import BaseModel

MODEL_URL = os.environ["MODEL_URL"]
VECTOR_URL = os.environ["VECTOR_URL"]
POSTGRES_DSN = os.environ.get("POSTGRES_DSN", "")
GUIDE = os.environ.get("VARIANT", "tuned") == "guide"
CACHE_TTL_SECONDS = 300
POOL_SIZE = 20
TOP_K = 5

app = FastAPI()


class Query(BaseModel):
    query: str
    user_id: Optional[str] = None


class Clients:
    """What is opened when the service starts."""

    cache: redis.Redis
    http: httpx.AsyncClient
    users: Optional[asyncpg.Pool] = None


clients = Clients()


@app.on_event("startup")
async def start():
    # A plain pool raises "Too many connections" when it is empty; a blocking one
    # lets the query wait.
    kind = redis.ConnectionPool if GUIDE else redis.BlockingConnectionPool
    waiting = {} if GUIDE else {"timeout": 10}
    pool = kind.from_url(os.environ["REDIS_URL"], max_connections=POOL_SIZE, **waiting)
    clients.cache = redis.Redis(connection_pool=pool)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=1000)
    clients.http = httpx.AsyncClient(limits=limits, timeout=60)
    if POSTGRES_DSN:
        clients.users = await asyncpg.create_pool(POSTGRES_DSN, min_size=1, max_size=POOL_SIZE)


async def embed(question):
    response = await clients.http.post(f"{MODEL_URL}/embeddings", json={"model": "stand-in", "input": [question]})
    response.raise_for_status()
    return response.json()["data"][0]["embedding"]


async def search(vector):
    response = await clients.http.post(VECTOR_URL, json={"vector": vector, "top_k": TOP_K, "include_metadata": True})
    response.raise_for_status()
    return [match["metadata"]["text"] for match in response.json()["matches"]]


async def user_context(user_id):
    if clients.users is None or not user_id:
        return ""
    rows = await clients.users.fetch("SELECT name, value FROM user_preferences WHERE user_id = $1 AND active", user_id)
    return "\n".join(f"{row['name']}: {row['value']}" for row in rows)


async def generate(question, passages, user):
    prompt = "\n\n".join([*passages, user, question])
    response = await clients.http.post(
        f"{MODEL_URL}/chat/completions",
        json={
            "model": "stand-in",
            "messages": [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": prompt},
            ],
        },
    )
    response.raise_for_status()
    return response.json()["choices"][0]["message"]["content"]


def answered(body, hit):
    return Response(body, media_type="application/json", headers={"X-Cache": "HIT-L2" if hit else "MISS"})


@app.post("/query")
async def query(request: Query):
    key = f"cache:{request.query}"
    if GUIDE:
        vector, cached, user = await asyncio.gather(
            embed(request.query), clients.cache.get(key), user_context(request.user_id)
        )
        if cached is not None:
            return answered(cached, hit=True)
    else:
        cached = await clients.cache.get(key)
        if cached is not None:
            return answered(cached, hit=True)
        vector, user = await asyncio.gather(embed(request.query), user_context(request.user_id))
    passages = await search(vector)
    answer = json.dumps(
        {
            "query": request.query,
            "answer": await generate(request.query, passages, user),
            "context": passages,
            "timestamp": datetime.now(timezone.utc).isoformat(),
        }
    )
    await clients.cache.setex(key, CACHE_TTL_SECONDS, answer)
    return answered(answer, hit=False)


@app.get("/health")
async def health():
    return {"status": "healthy"}
