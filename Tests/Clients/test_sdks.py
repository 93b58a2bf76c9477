"""SDKs of others work through the edge unchanged: OpenAI's responses and tools, Anthropic's, Ollama's, LangChain's, LlamaIndex's and
Gemini's form; whole and streamed, tools and errors included. What they get is audited."""

import json

import httpx
import openai
import pytest

REASON = "SDKs of others are large: TRUTHTABLE_SDKS=1 scripts/clients.sh -k sdks"
anthropic = pytest.importorskip("anthropic", reason=REASON)
ollama = pytest.importorskip("ollama", reason=REASON)
from langchain_core.tools import tool  # noqa: E402
from langchain_openai import ChatOpenAI  # noqa: E402
from llama_index.core.llms import ChatMessage  # noqa: E402
from llama_index.core.tools import FunctionTool  # noqa: E402
from llama_index.llms.openai import OpenAI as LlamaIndexOpenAI  # noqa: E402

from product import Product, questions  # noqa: E402

QUESTION = questions()[0]
ASKED = QUESTION["request"]["messages"]
USER = [message for message in ASKED if message["role"] == "user"]


@pytest.fixture(scope="module")
def product(mock):
    product = Product(mock.url)
    yield product
    product.end()


@pytest.fixture(autouse=True)
def audited(product, request):
    """Whatever a test's answers were, each capture has an outcome, and those with a text a verdict."""
    yield
    ledger = product.wait_at_rest()
    assert sum(ledger["failed"].values()) == sum(ledger["dropped"].values()) == 0


def tool_of(form):
    parameters = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
    named = {"name": "lookup", "description": "Looks up.", "parameters": parameters}
    return {
        "openai": {"type": "function", "function": named},
        "responses": {"type": "function", **named, "strict": False},
        "anthropic": {"name": "lookup", "description": "Looks up.", "input_schema": parameters},
    }[form]


# OpenAI


@pytest.fixture(scope="module")
def client(product):
    with openai.OpenAI(base_url=f"{product.url}/v1", api_key="sk-test", max_retries=0) as client:
        yield client


def test_openai_tools(client):
    whole = client.chat.completions.create(model="m", messages=USER, tools=[tool_of("openai")])
    call = whole.choices[0].message.tool_calls[0]
    assert (whole.choices[0].finish_reason, call.function.name) == ("tool_calls", "lookup")
    assert json.loads(call.function.arguments)["query"]
    chunks = list(client.chat.completions.create(model="m", messages=USER, tools=[tool_of("openai")], stream=True))
    arguments = "".join(part.function.arguments or "" for chunk in chunks for part in chunk.choices[0].delta.tool_calls or [])
    assert arguments == call.function.arguments
    result = [{"role": "assistant", "tool_calls": [call.model_dump()]}, {"role": "tool", "tool_call_id": call.id, "content": "Found."}]
    assert client.chat.completions.create(model="m", messages=USER + result, tools=[tool_of("openai")]).choices[0].message.content


def test_openai_responses(client):
    before = client.responses.create(model="m", input=USER)
    assert before.output_text == QUESTION["answer"]
    with client.responses.stream(model="m", input=USER) as stream:
        deltas = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        assert deltas == stream.get_final_response().output_text == QUESTION["answer"]
    called = client.responses.create(model="m", input="Hello", tools=[tool_of("responses")])
    assert called.output[0].type == "function_call" and called.output[0].name == "lookup"


# Anthropic


@pytest.fixture(scope="module")
def claude(product):
    with anthropic.Anthropic(base_url=product.url, api_key="sk-test", max_retries=0) as client:
        yield client


def test_anthropic(claude):
    whole = claude.messages.create(model="m", max_tokens=1000, messages=USER)
    assert whole.content[0].text == QUESTION["answer"] and whole.stop_reason == "end_turn"
    with claude.messages.stream(model="m", max_tokens=1000, messages=USER) as stream:
        assert "".join(stream.text_stream) == QUESTION["answer"]
        assert stream.get_final_message().usage.output_tokens == whole.usage.output_tokens


def test_anthropic_tools(claude):
    asked = dict(model="m", max_tokens=1000, messages=[{"role": "user", "content": "Hello"}], tools=[tool_of("anthropic")])
    whole = claude.messages.create(**asked)
    assert (whole.stop_reason, whole.content[0].type, whole.content[0].input) == ("tool_use", "tool_use", {"query": "Hello"})
    with claude.messages.stream(**asked) as stream:
        assert stream.get_final_message().content[0].input == {"query": "Hello"}


@pytest.mark.parametrize("stream", [False, True])
def test_anthropic_errors(stream, claude):
    with pytest.raises(anthropic.RateLimitError):
        claude.messages.create(model="m", max_tokens=10, messages=USER, stream=stream, extra_body={"mock": {"status": 429}})
    with pytest.raises(anthropic.APIStatusError) as error:
        claude.messages.create(model="m", max_tokens=10, messages=USER, stream=stream, extra_body={"mock": {"fail": "refuse"}})
    assert error.value.status_code == 502
    if stream:
        with pytest.raises(Exception, match="peer closed connection"):
            list(claude.messages.create(model="m", max_tokens=10, messages=USER, stream=True, extra_body={"mock": {"fail": "cut", "after": 3}}))


# Ollama


@pytest.fixture(scope="module")
def llama(product):
    return ollama.Client(host=product.url)


def test_ollama(llama):
    assert llama.chat(model="m", messages=USER).message.content == QUESTION["answer"]
    assert "".join(part.message.content for part in llama.chat(model="m", messages=USER, stream=True)) == QUESTION["answer"]
    assert llama.generate(model="m", prompt="Hello").response
    assert "".join(part.response for part in llama.generate(model="m", prompt="Hello", stream=True))


def test_ollama_tools_and_errors(llama, product):
    called = llama.chat(model="m", messages=USER, tools=[tool_of("openai")])
    assert called.message.tool_calls[0].function.name == "lookup"
    parts = [call for part in llama.chat(model="m", messages=USER, tools=[tool_of("openai")], stream=True) for call in part.message.tool_calls or []]
    assert [(call.function.name, call.function.arguments) for call in parts] == [("lookup", called.message.tool_calls[0].function.arguments)]
    for stream in (False, True):
        with pytest.raises(ollama.ResponseError) as error:
            answer = ollama.Client(host=product.url, headers={"X-Mock-Status": "404"}).chat(model="m", messages=USER, stream=stream)
            list(answer)
        assert error.value.status_code == 404
    with pytest.raises(httpx.HTTPError):
        list(ollama.Client(host=product.url, headers={"X-Mock-Fail": "cut"}).chat(model="m", messages=USER, stream=True))


# LangChain and LlamaIndex


def test_langchain(product):
    @tool
    def lookup(query: str) -> str:
        """Looks up."""
        return query

    model = ChatOpenAI(base_url=f"{product.url}/v1", api_key="sk-test", model="m", max_retries=0)
    assert model.invoke(USER).content == QUESTION["answer"]
    assert "".join(chunk.content for chunk in model.stream(USER)) == QUESTION["answer"]
    called = model.bind_tools([lookup]).invoke("Hello")
    assert called.tool_calls[0]["name"] == "lookup" and lookup.invoke(called.tool_calls[0]["args"]) == "Hello"
    streamed = list(model.bind_tools([lookup]).stream("Hello"))
    whole = streamed[0]
    for part in streamed[1:]:
        whole += part
    assert whole.tool_calls[0]["name"] == "lookup" and whole.tool_calls[0]["args"] == called.tool_calls[0]["args"]
    failing = ChatOpenAI(base_url=f"{product.url}/v1", api_key="sk-test", model="m", max_retries=0, default_headers={"X-Mock-Status": "500"})
    with pytest.raises(openai.InternalServerError):
        failing.invoke("Hello")
    with pytest.raises(openai.InternalServerError):
        list(failing.stream("Hello"))


def test_llama_index(product):
    model = LlamaIndexOpenAI(api_base=f"{product.url}/v1", api_key="sk-test", model="gpt-4o-mini", max_retries=0)
    asked = [ChatMessage(role=message["role"], content=message["content"]) for message in USER]
    assert model.chat(asked).message.content == QUESTION["answer"]
    assert "".join(part.delta for part in model.stream_chat(asked)) == QUESTION["answer"]

    def lookup(query: str) -> str:
        """Looks up."""
        return query

    hello, tools = [ChatMessage(role="user", content="Hello")], [FunctionTool.from_defaults(fn=lookup).metadata.to_openai_tool()]
    *_, streamed = model.stream_chat(hello, tools=tools)
    for answer in (model.chat(hello, tools=tools), streamed):
        [call] = answer.message.additional_kwargs["tool_calls"]
        assert (call.function.name, json.loads(call.function.arguments)) == ("lookup", {"query": "Hello"})
    failing = LlamaIndexOpenAI(api_base=f"{product.url}/v1", api_key="sk-test", model="gpt-4o-mini", max_retries=0, default_headers={"X-Mock-Status": "500"})
    with pytest.raises(openai.InternalServerError):
        failing.chat(asked)
    with pytest.raises(openai.InternalServerError):
        list(failing.stream_chat(asked))


# Gemini


@pytest.mark.parametrize("stream", [False, True])
def test_gemini(stream, product):
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    body = {"contents": [{"role": "user", "parts": [{"text": message["content"]}]} for message in USER]}
    answer = httpx.post(f"{product.url}/v1beta/models/gemini-m:{method}", json=body)
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")] if stream else [answer.json()]
    assert "".join(part["text"] for event in events for part in event["candidates"][0]["content"]["parts"]) == QUESTION["answer"]


# All of them


def test_each_form_is_audited(start):
    """One answer in each form, whole and streamed: so many verdicts, nothing skipped."""
    product = start()
    gemini = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
    forms = {
        "/v1/chat/completions": {"messages": USER}, "/v1/completions": {"prompt": "Hello"}, "/v1/responses": {"input": USER}, "/v1/messages": {"messages": USER},
        "/api/chat": {"messages": USER}, "/api/generate": {"prompt": "Hello"}, "/v1beta/models/m:generateContent": gemini,
        "/v1beta/models/m:streamGenerateContent?alt=sse": gemini,
    }
    asked = 0
    for path, body in forms.items():
        for stream in [None] if "Content" in path else [False, True]:
            answer = httpx.post(product.url + path, json={"model": "m", **body} | ({} if stream is None else {"stream": stream}), timeout=10)
            assert answer.status_code == 200
            asked += 1
    ledger = product.wait_at_rest()
    assert (ledger["captured"], ledger["audited"]) == (asked, asked), ledger
