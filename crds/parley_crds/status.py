"""What the operator writes into a component's status: the other half of the CRD's schema."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

ConditionType = Literal["Accepted", "SecretsResolved", "Published", "Ready"]


class Strict(BaseModel):
    """camelCase in Kubernetes, as everywhere there."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class Condition(Strict):
    """One standing judgement, in the form that Kubernetes uses everywhere."""

    type: ConditionType = Field(description="What is judged.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it is so.")
    reason: Annotated[str, StringConstraints(max_length=128)] = Field(description="Why, as one CamelCase word.")
    message: Annotated[str, StringConstraints(max_length=1024)] = Field("", description="Why, as a sentence.")
    observed_generation: int = Field(0, description="The generation of the component that was judged.")
    last_transition_time: Annotated[str, StringConstraints(max_length=64)] = Field(
        description="When `status` last changed.", json_schema_extra={"format": "date-time"}
    )


class ErrorCount(Strict):
    """One class of faults of providers."""

    reason: Annotated[str, StringConstraints(max_length=32)] = Field(
        description="The class: garbled, rate_limited, refused, timeout, unavailable, or other."
    )
    count: int = Field(description="Sidecars whose last request to the provider that failed did so for it.")


class Sidecars(Strict):
    """How far the current version has come, and what its sidecars say of the provider."""

    connected: int = Field(0, description="Sidecars that may use the component and are connected.")
    up_to_date: int = Field(0, description="Those of them that run the current version.")
    failed: int = Field(0, description="Those of them that could not load it.")
    summary: Annotated[str, StringConstraints(max_length=32)] = Field(
        "", description="Up to date and connected as one text, for kubectl get."
    )
    breakers_open: int = Field(0, description="Sidecars that leave the provider alone, because it failed too often.")
    breakers_half_open: int = Field(0, description="Sidecars that are finding out whether the provider is back.")
    errors: Annotated[
        list[ErrorCount],
        Field(
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["reason"]},
        ),
    ] = Field([], description="Why the provider did not answer last, by class; a later answer clears it.")
    faults: Annotated[str, StringConstraints(max_length=256)] = Field(
        "", description="What is wrong in them as one text, for kubectl get; empty where nothing is."
    )


class ComponentStatus(Strict):
    """The whole status."""

    observed_generation: int = Field(0, description="The generation of the component that was judged last.")
    version: Annotated[str, StringConstraints(max_length=64)] = Field(
        "", description="A hash of the component and the versions of its Secrets."
    )
    conditions: Annotated[
        list[Condition],
        Field(
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = Field([], description="Accepted, SecretsResolved, Published, and Ready when all of them are.")
    sidecars: Sidecars = Field(Sidecars(), description="How far the current version has come.")
