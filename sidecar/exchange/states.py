"""The two sides of an exchange as state machines: the request's body, and the response to the client. Pure.

A row of a table allows one event in one state, and names the next state. Every other event in that state is a
fault of ours: `next_of_request` and `next_of_response` raise `IllegalEvent`.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

# in quotes: each `Literal` that is evaluated takes 0.1 ms of the start
RequestState: TypeAlias = 'Literal["expecting", "arriving", "received", "lost"]'
"""Of the body. `expecting`: the client waits for a 100 before it sends; `lost`: where it ends is unknown"""
RequestEvent: TypeAlias = 'Literal["invite", "end", "lose"]'

REQUEST: Mapping[tuple[RequestState, RequestEvent], RequestState] = {
    ("expecting", "invite"): "arriving",  # 100 Continue (RFC 9110 §10.1.1)
    ("arriving", "end"): "received",
    ("arriving", "lose"): "lost",  # it breaks its coding
}

ResponseState: TypeAlias = 'Literal["pending", "begun", "sending", "complete", "broken"]'
"""`begun`: the head is composed, and no byte has been sent"""
ResponseEvent: TypeAlias = 'Literal["begin", "send", "answer", "finish", "break"]'

RESPONSE: Mapping[tuple[ResponseState, ResponseEvent], ResponseState] = {
    ("pending", "begin"): "begun",  # a registry's response comes
    ("begun", "send"): "sending",
    ("pending", "answer"): "sending",  # an answer of our own
    ("begun", "answer"): "sending",  # in place of the registry's, whose body failed before its first byte
    ("sending", "finish"): "complete",
    # the client left, or must not take a part for the whole
    ("pending", "break"): "broken",
    ("begun", "break"): "broken",
    ("sending", "break"): "broken",
    ("complete", "break"): "broken",  # a fault of ours after the last byte
}


class IllegalEvent(Exception):
    """An event that the table does not allow in this state."""


def next_of_request(state: RequestState, event: RequestEvent) -> RequestState:
    """Raises IllegalEvent."""
    try:
        return REQUEST[state, event]
    except KeyError:
        raise IllegalEvent(f"no {event} of a request whose body is {state}") from None


def next_of_response(state: ResponseState, event: ResponseEvent) -> ResponseState:
    """Raises IllegalEvent."""
    try:
        return RESPONSE[state, event]
    except KeyError:
        raise IllegalEvent(f"no {event} of a response that is {state}") from None
