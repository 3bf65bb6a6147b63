"""The `ConversationComponent` resource as the API server stores it: the source of the CRD's schema.

The operator and `parley check` read manifests through these models; the sidecar meets only `component.Component`.
Every string and list is bounded, because the API server estimates the cost of CEL rules from the bounds.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

from parley_crds import durations
from parley_crds.names import TYPE_PREFIX

MAX_SETTINGS = 64

Name = Annotated[str, StringConstraints(min_length=1, max_length=253)]


def _checked(value: object) -> object:
    if isinstance(value, str | int):
        durations.seconds(value)
    return value


Duration = Annotated[
    str | int,
    BeforeValidator(_checked),
    Field(
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "pattern": durations.PATTERN,
            "maxLength": durations.MAX_LENGTH,
        }
    ),
]
"""A Go duration ("10m") or a whole number of seconds."""


class Strict(BaseModel):
    """Fields are camelCase in manifests; an unknown one is an error, as with kubectl's strict validation."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class SecretKeyRef(Strict):
    """A key of a Secret in the component's namespace."""

    name: Name = Field(description="Name of the Secret.")
    key: Name = Field(description="Key in the Secret.")


class MetadataItem(Strict):
    """One setting of the provider: exactly one of value, secretKeyRef and envRef."""

    name: Name = Field(description="The setting's name; case does not matter.")
    value: str | int | float | bool | None = Field(
        None,
        description="The setting's value; numbers and booleans are read as their text.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )
    secret_key_ref: SecretKeyRef | None = Field(None, description="Take the value from a Secret.")
    env_ref: Annotated[str, StringConstraints(max_length=253, min_length=1)] | None = Field(
        None, description="Take the value from an environment variable of the sidecar."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [self.value is not None, self.secret_key_ref is not None, self.env_ref is not None]
        if sum(given) != 1:
            raise ValueError("exactly one of value, secretKeyRef and envRef must be given")
        return self


class Cache(Strict):
    """Answers kept for equal requests."""

    ttl: Duration | None = Field(None, description="How long an answer is kept; none are kept without it.")
    max_ttl: Duration = Field(
        "1h", description="The longest lifetime that a request's cacheTTL may ask for.", alias="maxTTL"
    )
    scope: Literal["namespace", "application"] = Field(
        "namespace", description="Who shares answers: all applications of the namespace, or each its own."
    )
    tool_calls: bool = Field(False, description="Keep answers that ask for tools, too.")


PersonalDataType = Literal[
    "STREET_ADDRESS", "CREDIT_CARD", "PHONE_NUMBER", "EMAIL_ADDRESS", "IP", "ZIP_CODE", "PO_BOX", "US_SSN", "ISBN",
    "MAC_ADDRESS", "IBAN", "NATIONAL_ID", "CRYPTO_WALLET", "SECRET", "DATE_OF_BIRTH",
]  # fmt: skip
"""What is found without a recognizer. Source: the tokens of aavaz-ai/pii-scrubber, which are Dapr's eleven; ours."""
TypeName = Annotated[str, StringConstraints(pattern="^[A-Z]+(_[A-Z]+)*$", max_length=32)]


class Pattern(Strict):
    """Values of the user's own kind."""

    type: TypeName = Field(description="The word of its token, such as EMPLOYEE_ID.")
    regex: Annotated[str, StringConstraints(min_length=1, max_length=512)] = Field(
        description="What they look like; if it has a group, the first one is the value."
    )


class Recognizer(Strict):
    """A service that finds names and addresses in free text: Presidio's analyzer, or what speaks like it."""

    url: Annotated[str, StringConstraints(pattern="^https?://.+", max_length=2048)] = Field(
        description="Where it is; /analyze is added."
    )
    language: Annotated[str, StringConstraints(pattern="^[a-z]{2}(-[A-Za-z]+)?$", max_length=16)] = Field(
        "en", description="The language of the texts."
    )
    entities: Annotated[list[TypeName], Field(min_length=1, max_length=32)] = Field(
        ["PERSON", "LOCATION"], description="What it is asked for."
    )
    min_score: Annotated[float, Field(ge=0, le=1)] = Field(0.5, description="How sure it must be.")
    timeout: Duration = Field("2s", description="How long it may take; then the request fails.")


class Privacy(Strict):
    """What happens to personal data on its way to the provider."""

    mode: Literal["off", "mask", "reversible", "block"] = Field(
        "off", description="Leave it, replace it for good, replace it and put it back into the answer, or refuse it."
    )
    answers: Literal["off", "mask"] = Field("off", description="Replace personal data in the provider's answers.")
    types: Annotated[list[PersonalDataType], Field(max_length=32)] = Field(
        [], description="What counts as personal data; everything that is known unless given."
    )
    allow: Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=253)]], Field(max_length=256)] = (
        Field([], description="What stays as it is: values, domains (example.com) and networks (10.0.0.0/8).")
    )
    patterns: Annotated[list[Pattern], Field(max_length=16)] = Field(
        [], description="Personal data of the user's own kinds."
    )
    recognizer: Recognizer | None = Field(None, description="A service that finds names as well; none unless given.")


class Context(Strict):
    """Chat histories kept by context id."""

    ttl: Duration | None = Field(None, description="How long after its last turn a history is kept; none without it.")
    max_messages: Annotated[int, Field(ge=1, le=10000)] | None = Field(
        None,
        description="The number of stored messages that are kept and sent along, the newest ones; 100 unless given.",
    )
    max_tokens: Annotated[int, Field(ge=1, le=10_000_000)] | None = Field(
        None, description="About how many tokens of them are sent along; without a limit unless given."
    )


class Resilience(Strict):
    """How long and how often the provider is asked."""

    timeout: Duration = Field("60s", description="The whole request, all attempts and fallbacks together.")
    attempt_timeout: Duration | None = Field(
        None, description="One attempt, until its answer or first event; as long as the whole unless given."
    )
    idle_timeout: Duration | None = Field(
        None, description="The longest pause between two events of a stream; as long as the whole unless given."
    )
    retries: Annotated[int, Field(ge=0, le=10)] = Field(2, description="Attempts after the first, where they can help.")
    retry_max_wait: Duration = Field(
        "5s", description="The longest wait before an attempt; a provider that asks for a longer one is not waited for."
    )
    breaker_faults: Annotated[int, Field(ge=0, le=1000)] = Field(
        10, description="Faults of the provider in a row after which it is left alone; 0: never."
    )
    breaker_pause: Duration = Field(
        "5s", description="How long it is left alone; twice as long after each failed probe, up to 1m."
    )
    concurrency: Annotated[int, Field(ge=1, le=10000)] | None = Field(
        None, description="Requests to the provider at a time, per sidecar; without a limit unless given."
    )
    fallback: Annotated[list[Name], Field(max_length=8)] = Field(
        [], description="Components that answer when this one cannot, in order."
    )


OverrideName = Literal["model", "key", "endpoint", "cacheTTL"]


class Overrides(Strict):
    """What a request may replace."""

    allow: Annotated[list[OverrideName], Field(max_length=4)] = Field(
        ["model", "key", "endpoint", "cacheTTL"], description="The settings that a request's metadata may replace."
    )


ComponentType = Annotated[
    str, StringConstraints(pattern=rf"^{TYPE_PREFIX.replace('.', '[.]')}[a-z0-9]+([.][a-z0-9]+)*$", max_length=63)
]


class ComponentSpec(Strict):
    """The provider, its settings, and what Parley adds to it. `type`, `version` and `metadata` are Dapr's fields."""

    type: ComponentType = Field(description="The provider, such as conversation.openai.")
    version: Annotated[str, StringConstraints(pattern="^v[0-9]+$", max_length=16)] = Field(
        "v1", description="The provider's version."
    )
    metadata: Annotated[
        list[MetadataItem],
        Field(
            max_length=MAX_SETTINGS,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = Field([], description="The provider's own settings; names are unique.")
    cache: Cache = Field(Cache(), description="Answers kept for equal requests.")
    privacy: Privacy = Field(Privacy(), description="Personal data on its way to the provider.")
    context: Context = Field(Context(), description="Chat histories kept by context id.")
    resilience: Resilience = Field(Resilience(), description="How long and how often the provider is asked.")
    overrides: Overrides = Field(Overrides(), description="What a request may replace.")
    service_accounts: Annotated[list[Name], Field(max_length=256)] = Field(
        [], description="Service accounts whose pods may use it; empty: all. A stronger fence than scopes."
    )
    ignore_errors: bool = Field(
        False, description="Accepted for Dapr's manifests; a bad component never stops a sidecar."
    )
    init_timeout: Duration | None = Field(None, description="Accepted for Dapr's manifests, without effect.")


class Auth(Strict):
    """Dapr's secret store choice; only the one of Kubernetes exists here."""

    secret_store: Annotated[str, StringConstraints(max_length=253)] = Field(
        "", description="Accepted for Dapr's manifests, without effect."
    )


class ConversationComponent(BaseModel):
    """The whole resource; `metadata` and `status` stay as the API server gives them."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    api_version: Literal["parley.dev/v1alpha1"] = "parley.dev/v1alpha1"
    kind: Literal["ConversationComponent"] = "ConversationComponent"
    metadata: dict[str, Any]
    spec: ComponentSpec
    scopes: Annotated[list[Name], Field(max_length=256)] = Field(
        [], description="Application ids that may use it; empty: all in the namespace."
    )
    auth: Auth = Field(Auth(), description="Accepted for Dapr's manifests, without effect.")
    status: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """The resource's name: what callers put into the path."""
        return str(self.metadata.get("name", ""))

    @property
    def namespace(self) -> str:
        """The resource's namespace; `default` where a manifest names none."""
        return str(self.metadata.get("namespace") or "default")
