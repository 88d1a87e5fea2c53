"""What an agent tells the demonstration when it is done: its own count of what it used."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class Used:
    """Tokens that the model server said it took, added up by the agent itself."""

    mission_id: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    tool_calls: int = 0

    def add(self, usage: Any) -> None:
        """Count the usage of one answer of the OpenAI client."""
        if usage is not None:
            self.input_tokens += usage.prompt_tokens
            self.output_tokens += getattr(usage, "completion_tokens", 0) or 0


@dataclass(slots=True)
class Result:
    """The last line an agent prints."""

    missions: list[Used] = field(default_factory=list)
    job_id: str = ""
    """The job that the agent is about, where there is one."""

    def tell(self) -> None:
        """Print it for the demonstration to read."""
        print(json.dumps(asdict(self)), flush=True)


def read_result(line: str) -> Result:
    """Read what `tell` printed.

    Raises:
        ValueError: if the line is no result.
    """
    try:
        said = json.loads(line)
        return Result([Used(**used) for used in said["missions"]], said["job_id"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{line[:80]!r} is no result of an agent") from error
