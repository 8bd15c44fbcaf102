"""An API server with vLLM 0.32's metrics, for `make bench-scrape`: the same libraries, the same routes, a page of the same size.

vLLM 0.32 (vllm/entrypoints/serve/instrumentator/metrics.py) answers GET /metrics by prometheus-fastapi-instrumentator, and every
other path that begins with /metrics by prometheus_client's ASGI app, which honours the query name[]. This file mounts both alike.

The families, labels and buckets come from a capture of a real vLLM. The values change with each streamed token. A request streams one
chunk every --every ms. A chunk says when it was due and when the event loop sent it, in ns of CLOCK_MONOTONIC, which every process of
the machine shares.

With PROMETHEUS_MULTIPROC_DIR the metrics live in files, as with several API server processes. The page then has no process_* families.
"""

import argparse
import asyncio
import gc
import json
import os
import re
import time

import prometheus_client
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_asgi_app, multiprocess
from prometheus_client.parser import text_string_to_metric_families
from prometheus_fastapi_instrumentator import Instrumentator
from starlette.routing import Mount

MOST_OBSERVATIONS = 200


def registry_of_this_process():
    """vLLM's get_prometheus_registry(): several API server processes share files."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return prometheus_client.REGISTRY
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return registry


class Families:
    """The metrics of a capture: children by family name, in the capture's order."""

    def __init__(self, text):
        self.children = {}
        for family in text_string_to_metric_families(text):
            if family.name.startswith("vllm:") and not family.name.endswith("_created"):
                self.children[family.name] = list(self._made(family))

    def _made(self, family):
        if family.type == "histogram":
            yield from self._histograms(family)
            return
        samples = [one for one in family.samples if not one.name.endswith("_created")]
        if not samples:
            return
        names = tuple(samples[0].labels)
        if family.type == "counter":
            metric = Counter(family.name, family.documentation, names)
        else:
            metric = Gauge(family.name, family.documentation, names, multiprocess_mode="mostrecent")
        for one in samples:
            child = metric.labels(**one.labels)
            if family.type == "counter":
                child.inc(one.value)
            else:
                child.set(one.value)
            yield child

    def _histograms(self, family):
        """Each bucket gets its number of observations, up to MOST_OBSERVATIONS."""
        buckets = [one for one in family.samples if one.name.endswith("_bucket")]
        series = {}
        for one in buckets:
            labels = {name: value for name, value in one.labels.items() if name != "le"}
            series.setdefault(tuple(labels.items()), []).append((float(one.labels["le"]), one.value))
        first = next(iter(series.values()))
        names = tuple(name for name, _ in next(iter(series)))
        bounds = [bound for bound, _ in first]
        metric = Histogram(family.name, family.documentation, names, buckets=bounds)
        for labels, counts in series.items():
            child = metric.labels(**dict(labels))
            before = 0
            for (bound, count), below in zip(counts, [0.0, *bounds]):
                value = bound if bound != float("inf") else below + 1
                for _ in range(min(int(count - before), MOST_OBSERVATIONS)):
                    child.observe(value)
                before = count
            yield child

    def first(self, name):
        return self.children[name][0]


class Load:
    """What one request and one token change."""

    def __init__(self, families):
        self.running = families.first("vllm:num_requests_running")
        self.waiting = families.first("vllm:num_requests_waiting")
        self.usage = families.first("vllm:kv_cache_usage_perc")
        self.prompt = families.first("vllm:prompt_tokens")
        self.computed = families.first("vllm:prompt_tokens_by_source")
        self.queries = families.first("vllm:prefix_cache_queries")
        self.generated = families.first("vllm:generation_tokens")
        self.success = families.first("vllm:request_success")
        self.first_token = families.first("vllm:time_to_first_token_seconds")
        self.between = families.first("vllm:inter_token_latency_seconds")
        self.whole = families.first("vllm:e2e_request_latency_seconds")
        self.prefill = families.first("vllm:request_prefill_time_seconds")
        self.queue = families.first("vllm:request_queue_time_seconds")
        self.steps = families.first("vllm:iteration_tokens_total")
        for gauge in (self.running, self.waiting, self.usage):
            gauge.set(0)
        self.open = 0

    def begin(self, tokens):
        self._opened(1)
        self.prompt.inc(tokens)
        self.computed.inc(tokens)
        self.queries.inc(tokens)

    def token(self, first, seconds):
        self.generated.inc()
        self.steps.observe(1)
        (self.first_token if first else self.between).observe(seconds)

    def end(self, seconds):
        self._opened(-1)
        self.success.inc()
        self.whole.observe(seconds)
        self.prefill.observe(0.02)
        self.queue.observe(0.0001)

    def _opened(self, change):
        self.open += change
        self.running.set(self.open)
        self.usage.set(min(1.0, self.open / 64))


class Scrapes:
    """An ASGI app around the server that counts scrapes and their bytes."""

    def __init__(self, app):
        self.app = app
        self.counts = {"whole": 0, "restricted": 0, "bytes": 0}

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or not scope["path"].startswith("/metrics"):
            await self.app(scope, receive, send)
            return
        restricted = scope["path"] != "/metrics" and b"name" in scope["query_string"]
        self.counts["restricted" if restricted else "whole"] += 1

        async def counted(message):
            self.counts["bytes"] += len(message.get("body", b""))
            await send(message)

        await self.app(scope, receive, counted)


class PrometheusResponse(Response):
    media_type = prometheus_client.CONTENT_TYPE_LATEST


def mount_metrics(app):
    registry = registry_of_this_process()
    untimed = ["/metrics", "/health", "/load", "/ping", "/version", "/server_info"]
    instrumentator = Instrumentator(excluded_handlers=untimed, registry=registry)
    instrumentator.add().instrument(app).expose(app, response_class=PrometheusResponse)
    route = Mount("/metrics", make_asgi_app(registry=registry))
    # Without a redirect: every path that begins with /metrics is this app's, unless it is the instrumentator's.
    route.path_regex = re.compile("^/metrics(?P<path>.*)$")
    app.routes.append(route)


def make_app(model, every_ms, load):
    app = FastAPI()

    async def stream(tokens):
        began = time.monotonic_ns()
        due = began
        last = began
        load.begin(64)
        try:
            for number in range(tokens):
                due += int(every_ms * 1e6)
                await asyncio.sleep((due - time.monotonic_ns()) / 1e9)
                now = time.monotonic_ns()
                load.token(number == 0, (now - last) / 1e9)
                last = now
                delta = {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": None}]}
                yield f"data: {json.dumps({**delta, 'due': due, 'sent': time.monotonic_ns()})}\n\n"
            usage = {"prompt_tokens": 64, "completion_tokens": tokens, "total_tokens": 64 + tokens}
            yield f"data: {json.dumps({'choices': [], 'usage': usage})}\n\ndata: [DONE]\n\n"
        finally:
            load.end((time.monotonic_ns() - began) / 1e9)

    @app.post("/v1/chat/completions")
    async def chat(request: Request):
        body = await request.json()
        return StreamingResponse(stream(int(body.get("max_tokens", 16))), media_type="text/event-stream")

    @app.get("/v1/models")
    async def models():
        return JSONResponse({"object": "list", "data": [{"id": model, "object": "model", "root": model, "parent": None}]})

    @app.get("/health")
    async def health():
        return Response(status_code=200)

    mount_metrics(app)
    return app


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--capture", required=True, help="a page of a real vLLM")
    parser.add_argument("--every", type=float, default=20, help="ms between two chunks of a stream")
    options = parser.parse_args()
    with open(options.capture, encoding="utf-8") as file:
        load = Load(Families(file.read()))
    app = make_app(options.model, options.every, load)
    scrapes = Scrapes(app)

    @app.get("/bench/scrapes")
    async def counts():
        return JSONResponse(scrapes.counts)

    # vLLM does the same before it serves.
    gc.collect()
    gc.freeze()
    uvicorn.run(scrapes, host=options.host, port=options.port, loop="uvloop", http="httptools", access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
