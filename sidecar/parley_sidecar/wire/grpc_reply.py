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
    usage = _usage(answer.usage) if answer.usage else None
    return ai_pb2.ConversationResponseAlpha2(
        context_id=asked.context_id or None,
        outputs=[
            ai_pb2.ConversationResultAlpha2(choices=[_choice(place, choice)], model=answer.model or None, usage=usage)
            for place, choice in enumerate(answer.choices)
        ],
    )


def _choice(place: int, choice: Choice) -> ai_pb2.ConversationResultChoices:
    message = ai_pb2.ConversationResultMessage(content=choice.text, tool_calls=[*map(_tool_call, choice.tool_calls)])
    return ai_pb2.ConversationResultChoices(finish_reason=choice.finish_reason, index=place, message=message)


def _tool_call(call: ToolCall) -> ai_pb2.ConversationToolCalls:
    function = ai_pb2.ConversationToolCallsOfFunction(name=call.name, arguments=call.arguments)
    return ai_pb2.ConversationToolCalls(id=call.id or None, function=function)


def _usage(usage: Usage) -> ai_pb2.ConversationResultAlpha2CompletionUsage:
    completion = ai_pb2.ConversationResultAlpha2CompletionUsageCompletionTokensDetails
    prompt = ai_pb2.ConversationResultAlpha2CompletionUsagePromptTokensDetails
    return ai_pb2.ConversationResultAlpha2CompletionUsage(
        completion_tokens=usage.completion_tokens,
        prompt_tokens=usage.prompt_tokens,
        total_tokens=usage.total_tokens,
        completion_tokens_details=completion(reasoning_tokens=usage.reasoning_tokens)
        if usage.reasoning_tokens
        else None,
        prompt_tokens_details=prompt(cached_tokens=usage.cached_tokens) if usage.cached_tokens else None,
    )
