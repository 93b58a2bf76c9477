"""The OpenAI Python SDK gets through the edge what it gets from the upstream itself: the same objects, errors and bytes."""

import json

import httpx
import openai
import pytest

from product import questions

QUESTIONS = questions()


@pytest.fixture(scope="module")
def through(product):
    with openai.OpenAI(base_url=f"{product.url}/v1", api_key="sk-test", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def direct(mock):
    with openai.OpenAI(base_url=f"{mock.url}/v1", api_key="sk-test", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["name"])
def test_whole_answers(question, through, direct):
    request = question["request"]
    ours, theirs = through.chat.completions.create(**request), direct.chat.completions.create(**request)
    assert ours == theirs
    assert ours.choices[0].message.content == question["answer"]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["name"])
def test_streamed_answers(question, through, direct):
    request = {**question["request"], "stream": True, "stream_options": {"include_usage": True}}
    ours, theirs = list(through.chat.completions.create(**request)), list(direct.chat.completions.create(**request))
    assert ours == theirs
    assert "".join(chunk.choices[0].delta.content or "" for chunk in ours if chunk.choices) == question["answer"]
    assert ours[-1].usage.total_tokens > 0


@pytest.mark.parametrize("stream", [False, True])
def test_raw_responses(stream, through, direct):
    request = {**QUESTIONS[0]["request"], "stream": stream}
    ours = through.chat.completions.with_raw_response.create(**request)
    theirs = direct.chat.completions.with_raw_response.create(**request)
    assert ours.http_response.read() == theirs.http_response.read()
    added = {"x-request-id", "x-truthtable-request-id", "x-truthtable-audit-id", "x-truthtable-overhead-ms", "x-truthtable-upstream"}
    drop = {"connection", "keep-alive"}
    assert {name: value for name, value in ours.headers.items() if name not in added} == {
        name: value for name, value in theirs.headers.items() if name not in added | drop
    }
    assert ours.headers["x-truthtable-request-id"].startswith("req_")


BODIES = {
    "chat": ("/v1/chat/completions", QUESTIONS[0]["request"]),
    "a streamed chat": ("/v1/chat/completions", {**QUESTIONS[1]["request"], "stream": True}),
    "a long answer": ("/v1/chat/completions", {**QUESTIONS[1]["request"], "mock": {"size": 300_000}}),
    "a long streamed answer": ("/v1/chat/completions", {**QUESTIONS[1]["request"], "stream": True, "mock": {"size": 300_000, "chunk": 50}}),
    "a slow stream": ("/v1/chat/completions", {**QUESTIONS[2]["request"], "stream": True, "mock": {"pace_ms": 3}}),
    "completions": ("/v1/completions", {"model": "m", "prompt": "Hello"}),
    "embeddings": ("/v1/embeddings", {"model": "m", "input": ["a", "b"]}),
    "Ollama's chat": ("/api/chat", {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}),
    "Ollama's generate": ("/api/generate", {"model": "m", "prompt": "Hello"}),
    "another API": ("/ask", {"query": "Hello"}),
    "until the end": ("/ask", {"query": "Hello", "mock": {"fail": "close_delimited"}}),
    "without a length": ("/ask", {"query": "Hello", "mock": {"fail": "no_length"}}),
    "chunked": ("/ask", {"query": "Hello", "mock": {"fail": "chunked"}}),
    "an error": ("/v1/chat/completions", {**QUESTIONS[0]["request"], "mock": {"status": 429}}),
    "what the upstream refuses": ("/v1/chat/completions", {"mock": {"nonsense": 1}}),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_are_equal(name, product, mock):
    path, body = BODIES[name]
    ours, theirs = (httpx.post(base + path, json=body, headers={"Accept-Encoding": "identity"}, timeout=20) for base in (product.url, mock.url))
    assert ours.status_code == theirs.status_code
    assert ours.content == theirs.content
    assert ours.headers["content-type"] == theirs.headers["content-type"]


@pytest.mark.parametrize("status, kind", [
    (400, openai.BadRequestError), (401, openai.AuthenticationError), (404, openai.NotFoundError), (429, openai.RateLimitError), (500, openai.InternalServerError),
])
@pytest.mark.parametrize("stream", [False, True])
def test_errors(status, kind, stream, through, direct):
    raised = []
    for client in (through, direct):
        with pytest.raises(kind) as error:
            client.chat.completions.create(**QUESTIONS[0]["request"], stream=stream, extra_body={"mock": {"status": status}})
        raised.append((error.value.status_code, error.value.body, error.value.message))
    assert raised[0] == raised[1]


def test_an_upstream_that_refuses_is_an_error_of_the_sdk(through):
    with pytest.raises(openai.InternalServerError) as error:
        through.chat.completions.create(**QUESTIONS[0]["request"], extra_body={"mock": {"fail": "refuse"}})
    assert error.value.status_code == 502
    assert json.loads(error.value.response.content) == {"error": "upstream unavailable"}


def test_a_cut_stream_is_an_error_of_the_sdk(through):
    stream = through.chat.completions.create(**QUESTIONS[0]["request"], stream=True, extra_body={"mock": {"fail": "cut", "after": 5}})
    with pytest.raises((openai.APIError, httpx.HTTPError, Exception)) as error:
        list(stream)
    assert not isinstance(error.value, AssertionError)


def test_models_and_other_paths(through, direct):
    assert through.models.list().data == direct.models.list().data
    assert through.embeddings.create(model="m", input="a") == direct.embeddings.create(model="m", input="a")


def test_the_async_client_with_many_requests_at_once(product, mock):
    import asyncio

    async def ask(base):
        async with openai.AsyncOpenAI(base_url=f"{base}/v1", api_key="sk-test", max_retries=0) as client:
            async def one(number):
                stream = await client.chat.completions.create(**QUESTIONS[number % len(QUESTIONS)]["request"], stream=True, extra_body={"mock": {"chunk": number % 5 + 1}})
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

            return await asyncio.gather(*(one(number) for number in range(40)))

    ours = asyncio.run(ask(product.url))
    assert ours == [QUESTIONS[number % len(QUESTIONS)]["answer"] for number in range(40)]


# Test mode (FEATURES T5).


@pytest.mark.parametrize("text", ["A plain answer.", "Zeilen\nund „Zeichen“ \U0001f600 \"quoted\" \\ \t", "x" * 5000, ""])
@pytest.mark.parametrize("stream", [False, True])
def test_test_mode_answers_with_the_given_text(text, stream, through):
    answer = through.chat.completions.create(model="gpt-test", messages=[{"role": "user", "content": "Hi"}], stream=stream, extra_body={"test_response": text})
    if stream:
        chunks = list(answer)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text
        assert chunks[-1].choices[0].finish_reason == "stop"
        assert {chunk.model for chunk in chunks} == {"gpt-test"}
    else:
        assert answer.choices[0].message.content == text
        assert answer.model == "gpt-test"
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_test_mode_tells_the_usage(through):
    """Whole and, where the client asks for it, at the end of a stream; counted over texts and content parts alike."""
    messages = [{"role": "user", "content": "Eight letters and some more"}]
    parts = [{"role": "user", "content": [{"type": "text", "text": "Eight letters and some more"}]}]
    whole = through.chat.completions.create(model="m", messages=messages, extra_body={"test_response": "Four words are here."}).usage
    assert whole.prompt_tokens > 0 and whole.completion_tokens > 0 and whole.total_tokens == whole.prompt_tokens + whole.completion_tokens
    chunks = list(through.chat.completions.create(
        model="m", messages=parts, stream=True, stream_options={"include_usage": True}, extra_body={"test_response": "Four words are here."}))
    assert chunks[-1].usage == whole and chunks[-1].choices == []
    without = list(through.chat.completions.create(model="m", messages=parts, stream=True, extra_body={"test_response": "Four words are here."}))
    assert all(chunk.usage is None and chunk.choices for chunk in without)


@pytest.mark.parametrize("stream", [False, True])
def test_test_mode_answers_are_audited(stream, product, through):
    raw = through.chat.completions.with_raw_response.create(
        model="m", messages=[{"role": "user", "content": "<document>The bridge is 148 metres long.</document> How long is it?"}], stream=stream,
        extra_body={"test_response": "The bridge is 999 metres long."})
    raw.http_response.read()
    verdict = httpx.get(f"{product.url}/v1/audits/{raw.headers['x-truthtable-audit-id']}?wait=5s", timeout=10).json()
    assert verdict["answer"] == "The bridge is 999 metres long." and verdict["contradicted_claims"] == 1


def test_test_mode_asks_no_upstream(start):
    product = start("http://127.0.0.1:1", test_mode="true")
    answer = httpx.post(f"{product.url}/v1/chat/completions", json={"messages": [], "test_response": "Here."})
    assert answer.json()["choices"][0]["message"]["content"] == "Here."
    assert product.wait_at_rest()["captured"] == 1


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b'{"test_response": 1}', b'{"test_response": null, "query": "a"}', b"", b'{"a":' * 3000])
def test_in_test_mode_other_bodies_reach_the_upstream_unchanged(body, product, mock):
    ours, theirs = (httpx.post(f"{base}/v1/chat/completions", content=body, headers={"Content-Type": "application/json"}) for base in (product.url, mock.url))
    assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content)


@pytest.mark.parametrize("size", [10, 65_000, 66_000, 500_000])
def test_in_test_mode_bodies_of_any_size_and_framing_reach_the_upstream(size, product, mock):
    body = json.dumps({"query": "q", "padding": "x" * size}).encode()
    pieces = [body[at : at + 9000] for at in range(0, len(body), 9000)]
    whole, chunked = httpx.post(f"{product.url}/ask", content=body), httpx.post(f"{product.url}/ask", content=iter(pieces))
    assert whole.content == chunked.content == httpx.post(f"{mock.url}/ask", content=body).content


def test_without_test_mode_the_field_means_nothing(start, mock):
    product = start(test_mode=None)
    body = {"messages": [{"role": "user", "content": "Hi"}], "test_response": "Here."}
    assert httpx.post(f"{product.url}/v1/chat/completions", json=body).content == httpx.post(f"{mock.url}/v1/chat/completions", json=body).content
