"""What a masked text looks like: Dapr's tokens where Dapr is right, and what should be where it is not."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_sidecar.pii import mask, spans

AS_DAPR = {
    "well hello there, my phone number is +2222222222": "well hello there, my phone number is <PHONE_NUMBER>",
    "well hello there, my phone number is +4422222222": "well hello there, my phone number is <PHONE_NUMBER>",
    "well hello there, my email is test@test.com": "well hello there, my email is <EMAIL_ADDRESS>",
    "well hello there from 10.8.9.1": "well hello there from <IP>",
    "well hello there": "well hello there",
    "ssn 123-45-6789": "ssn <US_SSN>",
    "4111 1111 1111 1111": "<CREDIT_CARD>",
    "PO Box 1234": "<PO_BOX>",
    "123 Main Street": "<STREET_ADDRESS>",
}
BETTER = {
    "212-456-7890": "<PHONE_NUMBER>",
    "+33 4 22 84 60 03": "<PHONE_NUMBER>",
    "call me at 01 53 32 22 07": "call me at <PHONE_NUMBER>",
    "3782 822463 10005": "<CREDIT_CARD>",
    "378282246310005": "<CREDIT_CARD>",
    "DE89 3704 0044 0532 0130 00": "<IBAN>",
    "jürgen@exämple.de": "<EMAIL_ADDRESS>",
    "user@localhost": "<EMAIL_ADDRESS>",
    "221B Baker Street": "<STREET_ADDRESS>",
    "SSN is488-23-3729": "SSN is<US_SSN>",
    "see https://example.com/emp/488-23-3729": "see https://example.com/emp/<US_SSN>",
    "phone 2222222222 email test@test.com ip 10.8.9.1 ssn 123-45-6789": (
        "phone <PHONE_NUMBER> email <EMAIL_ADDRESS> ip <IP> ssn <US_SSN>"
    ),
}
"""Values that Dapr's scrubber misses, cuts in two or calls by another name."""
HARMLESS = (
    "released in 2019",
    "Port 8080",
    "$12,345.67",
    "2024-01-15 meeting",
    "15/01/2024",
    "3.14159",
    "timestamp 1700000000",
    "123456789",
    "90210",
    "42 first results",
    "3 drinks at the start",
    "std::vector and a::b",
    "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    "d41d8cd98f00b204e9800998ecf8427e",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
)
"""Texts that Dapr's scrubber breaks."""


@pytest.mark.parametrize("text", AS_DAPR)
def test_the_published_texts_are_masked_as_by_dapr(text: str) -> None:
    """To the byte."""
    assert AS_DAPR[text] == mask(text)


@pytest.mark.parametrize("text", BETTER)
def test_a_value_is_masked_whole_and_by_its_name(text: str) -> None:
    """Its parts do not stay, and it is not taken for something else."""
    assert BETTER[text] == mask(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_text_stays(text: str) -> None:
    """A number is not personal for being one."""
    assert text == mask(text)


@given(st.uuids())
def test_a_uuid_stays(identifier: UUID) -> None:
    """Whatever its digits spell."""
    assert f"order {identifier} failed" == mask(f"order {identifier} failed")


@given(st.text(max_size=200) | st.text("0123456789+-. @:/abcIBANDE", max_size=200))
def test_what_is_found_lies_in_order_and_apart(text: str) -> None:
    """Whatever the text, places are inside it, not empty, and do not overlap."""
    found = spans(text)
    edges = [edge for span in found for edge in (span.start, span.end)]

    assert edges == sorted(edges)
    assert all(0 <= span.start < span.end <= len(text) for span in found)


@pytest.mark.parametrize("text", [*AS_DAPR, *BETTER])
def test_nothing_is_found_in_what_was_masked(text: str) -> None:
    """One pass is enough."""
    assert mask(text) == mask(mask(text))
