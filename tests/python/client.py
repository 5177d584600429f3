"""Mem0's official Python clients, made for the hosted Platform, unmodified, through the gateway: every method that the
Mem0 behind it can honour (ORIGIN: oss or platform), and what the others raise. Ends with a traceback at the first
difference."""

import asyncio
import os
from typing import Any, Callable

from mem0 import AsyncMemoryClient, MemoryClient
from mem0.exceptions import (
    AuthenticationError,
    MemoryError,
    MemoryNotFoundError,
    RateLimitError,
    ValidationError,
)

HOST = os.environ["GATEWAY_URL"]
PLATFORM = os.environ["ORIGIN"] == "platform"
TEA = "I drink green tea every morning."


def client(name: str) -> MemoryClient:
    return MemoryClient(api_key=os.environ[name], host=HOST)


def raised(kind: type, call: Callable[[], Any]) -> Exception:
    try:
        result = call()
    except Exception as error:  # noqa: BLE001
        assert type(error) is kind, f"{type(error).__name__} and not {kind.__name__}: {error}"
        return error
    raise AssertionError(f"nothing was raised, but {result!r} returned")


def added(own: MemoryClient, text: str, **ids: str) -> str:
    return own.add(text, infer=False, **ids)["results"][0]["id"]


def walk(ours: MemoryClient, theirs: MemoryClient) -> None:
    answer = ours.add(TEA, user_id="ann", infer=False, metadata={"city": "Bern"})
    assert answer["status"] == "SUCCEEDED" and answer["event_id"], answer
    memory_id = answer["results"][0]["id"]
    assert ours.get(memory_id)["memory"] == TEA

    filters = {"AND": [{"user_id": "ann"}, {"metadata": {"city": "Bern"}}]}
    assert [row["id"] for row in ours.get_all(filters=filters)["results"]] == [memory_id]
    page = ours.get_all(filters=filters, page=1, page_size=1)
    assert (page["count"], page["next"]) == (1, None), page
    found = ours.search("green tea", filters=filters, threshold=0.0)["results"]
    assert [row["id"] for row in found] == [memory_id] and found[0]["user_id"] == "ann", found

    updated = ours.update(memory_id, text="I drink coffee.")
    assert (updated.get("text") or updated["memory"]) == "I drink coffee.", updated
    assert [row["event"] for row in ours.history(memory_id)] == ["ADD", "UPDATE"]

    for attempt in (
        lambda: theirs.get(memory_id),
        lambda: theirs.update(memory_id, text="stolen"),
        lambda: theirs.delete(memory_id),
        lambda: theirs.history(memory_id),
        lambda: theirs.batch_delete([{"memory_id": memory_id}]),
    ):
        raised(MemoryNotFoundError, attempt)
    assert theirs.get_all(filters={"user_id": "ann"})["results"] == []

    second = added(ours, "second", user_id="ann")
    ours.batch_update([{"memory_id": memory_id, "text": "one"}, {"memory_id": second, "text": "two"}])
    assert ours.get(second)["memory"] == "two"
    ours.batch_delete([{"memory_id": memory_id}, {"memory_id": second}])
    raised(MemoryNotFoundError, lambda: ours.get(second))

    added(ours, "x", agent_id="bot/ü")
    kept = added(theirs, "y", agent_id="bot/ü")
    assert "bot/ü" in [entity["name"] for entity in ours.users()["results"]]
    ours.delete_all(agent_id="bot/ü")
    assert theirs.get(kept)["memory"] == "y"
    added(ours, "z", user_id="leaver")
    ours.delete_users(user_id="leaver")
    assert ours.get_all(filters={"user_id": "leaver"})["results"] == []


def platform_alone(ours: MemoryClient, theirs: MemoryClient) -> None:
    memory_id = added(ours, TEA, user_id="pat", app_id="web")
    either = {"OR": [{"user_id": "pat"}, {"app_id": "web"}]}
    assert [row["id"] for row in ours.get_all(filters=either)["results"]] == [memory_id]
    ours.feedback(memory_id, feedback="POSITIVE")
    assert "acme:" not in str(ours.get_summary(filters={"user_id": "pat"}))
    export = ours.create_memory_export(schema="{}", filters={"user_id": "pat"})
    assert TEA in str(ours.get_memory_export(memory_export_id=export["id"]))
    raised(MemoryNotFoundError, lambda: theirs.get_memory_export(memory_export_id=export["id"]))
    assert ours.add("later", user_id="pat")["status"] == "PENDING"
    raised(ValidationError, lambda: ours.get_all(filters={"memory_ids": [memory_id]}))


def unserved(ours: MemoryClient) -> None:
    for attempt in (
        lambda: ours.search("x", filters={"user_id": "a"}, rerank=True),
        lambda: ours.get_all(filters={"AND": [{"user_id": "a"}, {"categories": {"in": ["x"]}}]}),
        lambda: ours.get_summary(filters={"user_id": "a"}),
        lambda: ours.create_memory_export(schema="{}", filters={"user_id": "a"}),
        lambda: ours.feedback("3f2b8c1a-0d4e-4f6a-9b7c-5e1d2a3b4c5d", feedback="POSITIVE"),
    ):
        error = raised(MemoryError, attempt)
        assert "self-hosted" in str(error) or "Mem0 of this tenant" in str(error), error


def refusals(ours: MemoryClient) -> None:
    error = raised(ValidationError, lambda: ours.get_all(filters={"user_id": "*"}))
    assert "wildcard" in str(error), error
    raised(ValidationError, lambda: ours.get_all(filters={"OR": [{"user_id": "a"}, {"metadata": {"b": 1}}]}))
    raised(ValidationError, lambda: ours.add("x", user_id="a", prompt="say everything"))
    error = raised(AuthenticationError, lambda: client("READER").add("x", user_id="a"))
    assert "Not allowed" in str(error), error
    raised(AuthenticationError, lambda: ours.get_webhooks("1"))

    limited = client("LIMITED")
    try:
        for _ in range(200):
            limited.get_all(filters={"user_id": "a"})
    except RateLimitError as error:
        assert error.debug_info["retry_after"] >= 1, error.debug_info
    else:
        raise AssertionError("the rate limit did not hold")


async def asynchronous() -> None:
    ours = AsyncMemoryClient(api_key=os.environ["WRITER"], host=HOST)
    answer = await ours.add(TEA, user_id="async", infer=False)
    memory_id = answer["results"][0]["id"]
    filters = {"user_id": "async"}
    assert (await ours.get(memory_id))["memory"] == TEA
    assert [row["id"] for row in (await ours.get_all(filters=filters))["results"]] == [memory_id]
    found = await ours.search("green tea", filters=filters, threshold=0.0)
    assert [row["id"] for row in found["results"]] == [memory_id]
    await ours.update(memory_id, text="changed")
    assert len(await ours.history(memory_id)) == 2
    await ours.batch_update([{"memory_id": memory_id, "text": "again"}])
    assert "async" in [entity["name"] for entity in (await ours.users())["results"]]
    await ours.delete(memory_id)
    await ours.delete_all(user_id="async")


walk(client("WRITER"), client("FOREIGN"))
if PLATFORM:
    platform_alone(client("WRITER"), client("FOREIGN"))
else:
    unserved(client("WRITER"))
refusals(client("WRITER"))
asyncio.run(asynchronous())
print("every method is as expected")
