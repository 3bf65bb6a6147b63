"""How a command of `parley` ends early: one sentence on the terminal and an exit code. `cli` alone catches it."""


class CommandError(Exception):
    """The command cannot go on. The sentence is safe to show; the exit code is 1, or 2 for a wrong use."""

    def __init__(self, sentence: str, *, exit_code: int = 1) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code
