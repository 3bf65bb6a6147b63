"""The settings that every component of the family has; a provider adds its defaults and what else it knows."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from parley_sidecar.targets import printable, root


class CompletionsSettings(BaseModel):
    """What a component of the family may set."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"additionalProperties": False})

    key: SecretStr = Field(description="The API key.")
    model: str = Field(description="The model that answers.")
    endpoint: str = Field(description="The root of the API.")
    max_tokens: int | None = Field(None, alias="maxTokens", description="Tokens that an answer has at most.")

    @field_validator("key")
    @classmethod
    def _key_is_printable(cls, key: SecretStr) -> SecretStr:
        return SecretStr(printable(key.get_secret_value()))

    @field_validator("endpoint")
    @classmethod
    def _endpoint_is_a_url(cls, endpoint: str) -> str:
        return root(endpoint)
