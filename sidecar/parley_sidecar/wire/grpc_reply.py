"""`Answer` -> Dapr's gRPC responses: as over HTTP one output for each of the provider's choices. Pure.

Source: Dapr's ConversationResponse and ConversationResponseAlpha2.
"""

from parley_sidecar.model import Answer, Choice, ToolCall, Usage
from parley_sidecar.rpc import ai_pb2


def alpha1(asked: ai_pb2.ConversationRequest, answer: Answer) -> ai_pb2.ConversationResponse:
    """Return alpha1's response, with the request's parameters copied into every output."""
    return ai_pb2.ConversationResponse(
        contextID=asked.contextID or None,
        outputs=[
            ai_pb2.ConversationResult(result=choice.text, parameters=asked.parameters) for choice in answer.choices
        ],
    )


def alpha2(asked: ai_pb2.ConversationRequestAlpha2, answer: Answer) -> ai_pb2.ConversationResponseAlpha2:
    """Return alpha2's response; usage and model stand beside each output."""
    reply = ai_pb2.ConversationResponseAlpha2(context_id=asked.context_id or None)
    for place, choice in enumerate(answer.choices):
        output = reply.outputs.add()
        _set_choice(output.choices.add(), place, choice)
        if answer.model:
            output.model = answer.model
        if answer.usage:
            _set_usage(output.usage, answer.usage)
    return reply


def _set_choice(told: ai_pb2.ConversationResultChoices, place: int, choice: Choice) -> None:
    told.finish_reason = choice.finish_reason
    told.index = place
    told.message.content = choice.text
    for call in choice.tool_calls:
        _set_tool_call(told.message.tool_calls.add(), call)


def _set_tool_call(told: ai_pb2.ConversationToolCalls, call: ToolCall) -> None:
    if call.id:
        told.id = call.id
    told.function.name = call.name
    told.function.arguments = call.arguments


def _set_usage(told: ai_pb2.ConversationResultAlpha2CompletionUsage, usage: Usage) -> None:
    told.completion_tokens = usage.completion_tokens
    told.prompt_tokens = usage.prompt_tokens
    told.total_tokens = usage.total_tokens
    if usage.reasoning_tokens:
        told.completion_tokens_details.reasoning_tokens = usage.reasoning_tokens
    if usage.cached_tokens:
        told.prompt_tokens_details.cached_tokens = usage.cached_tokens
