"""OpenAI's chat completions as a client speaks them: the wire form that many vendors share, and what each lacks of it.

The providers openai, mistral, huggingface, ollama, deepseek and googleai are a `Dialect` and settings over it.
"""
