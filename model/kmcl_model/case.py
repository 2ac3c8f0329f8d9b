"""Cases as JSON: the stimuli of one test, where they come from and what is expected of them.

A stimulus is written like an event of a trace, with the discriminator ``stimulus``:

    {"stimulus": "invoke", "endpoint": "client", "by": "t0", "function": "VmbChannelEnable"}
    {"stimulus": "arm", "endpoint": "client", "callback": "EvtVmbChannelOpened",
     "reaction": {"steps": [{"act": "VmbChannelPause"}, {"hold": true}], "status": 0}}

The published schema is ``model/schemas/case.schema.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    Tag,
    TypeAdapter,
    ValidationError,
)

from .boundary import (
    CallbackName,
    Flawed,
    FunctionName,
    GivenStatus,
    JsonArguments,
    Line,
    MessageName,
    arguments_from_json,
    arguments_to_json,
    explain,
)
from .control import CALLABLE, MESSAGES
from .stimuli import (
    HOLD,
    Act,
    Arm,
    Environ,
    Hold,
    Invoke,
    Post,
    Reaction,
    Release,
    Run,
    Settle,
    Step,
    Stimulus,
)

__all__ = [
    "CASE_SCHEMA",
    "Case",
    "CaseError",
    "Expectation",
    "StimulusLine",
    "stimulus_from_json",
    "stimulus_to_json",
]

CASE_SCHEMA: Final = "kmcl-case/1"
"""Name and version of the format."""

_PARAMETERS: Final = {name: f.parameters for name, f in CALLABLE.items()}


class CaseError(Exception):
    """A case cannot be read or written: one line that says where, what, and what to do."""


class InvokeLine(Line):
    """Start a call from driver thread ``by``."""

    stimulus: Literal["invoke"]
    endpoint: str
    by: str
    function: FunctionName
    arguments: JsonArguments

    def to_stimulus(self) -> Stimulus:
        values = arguments_from_json(self.function, _PARAMETERS[self.function], self.arguments)
        return Invoke("invoke", self.endpoint, self.by, self.function, values)


class ActLine(Line):
    """A call made inside a callback; the context ``this`` is the one just indicated."""

    act: FunctionName
    arguments: JsonArguments

    def to_step(self) -> Step:
        return Act(self.act, arguments_from_json(self.act, _PARAMETERS[self.act], self.arguments))


class HoldLine(Line):
    """The callback waits for a release that names it."""

    hold: Literal[True]

    def to_step(self) -> Step:
        return HOLD


def _which_step(value: object) -> str:
    return "a hold" if isinstance(value, Mapping) and "hold" in value else "an act"


StepLine: TypeAlias = Annotated[
    Annotated[ActLine, Tag("an act")] | Annotated[HoldLine, Tag("a hold")],
    Discriminator(_which_step),
]


class ReactionLine(Line):
    """What a handler does: its steps in order, then it returns ``status``."""

    steps: list[StepLine] = Field(default_factory=list)
    status: GivenStatus = 0
    sticky: bool = False

    def to_reaction(self) -> Reaction:
        return Reaction(tuple(step.to_step() for step in self.steps), self.status, self.sticky)


class ArmLine(Line):
    """Queue a reaction for the next activation of a callback."""

    stimulus: Literal["arm"]
    endpoint: str
    callback: CallbackName
    reaction: ReactionLine

    def to_stimulus(self) -> Stimulus:
        return Arm("arm", self.endpoint, self.callback, self.reaction.to_reaction())


class ReleaseLine(Line):
    """Let the named held activation go on."""

    stimulus: Literal["release"]
    endpoint: str
    activation: str

    def to_stimulus(self) -> Stimulus:
        return Release("release", self.endpoint, self.activation)


class EnvironLine(Line):
    """Let the world act on an endpoint."""

    stimulus: Literal["environment"]
    endpoint: str
    action: str

    def to_stimulus(self) -> Stimulus:
        return Environ("environment", self.endpoint, self.action)


class PostLine(Line):
    """Let the host send a control message; what is not given is taken from the request."""

    stimulus: Literal["post"]
    message: MessageName
    fields: JsonArguments
    flaw: Flawed = ""

    def to_stimulus(self) -> Stimulus:
        kind = MESSAGES[self.message]
        values = arguments_from_json(self.message, kind.given, self.fields, kind.later)
        return Post("post", self.message, values, self.flaw)


class RunLine(Line):
    """Let a schedulable implementation take one internal step."""

    stimulus: Literal["run"]
    choice: Annotated[int, Field(ge=0)]

    def to_stimulus(self) -> Stimulus:
        return Run("run", self.choice)


class SettleLine(Line):
    """Wait until nothing more happens."""

    stimulus: Literal["settle"]

    def to_stimulus(self) -> Stimulus:
        return Settle("settle")


StimulusLine: TypeAlias = Annotated[
    InvokeLine | ArmLine | ReleaseLine | EnvironLine | PostLine | RunLine | SettleLine,
    Field(discriminator="stimulus"),
]
_STIMULUS: Final[TypeAdapter[StimulusLine]] = TypeAdapter(StimulusLine)


def stimulus_to_json(stimulus: Stimulus) -> dict[str, Any]:
    """The stimulus as a JSON object. Raises CaseError for names or numbers of arguments that
    the interface does not have."""
    try:
        match stimulus:
            case Invoke():
                return {
                    "stimulus": stimulus.kind,
                    "endpoint": stimulus.endpoint,
                    "by": stimulus.by,
                    "function": stimulus.function,
                    "arguments": _arguments(stimulus),
                }
            case Arm():
                return {
                    "stimulus": stimulus.kind,
                    "endpoint": stimulus.endpoint,
                    "callback": stimulus.callback,
                    "reaction": {
                        "steps": [_step_to_json(step) for step in stimulus.reaction.steps],
                        "status": stimulus.reaction.status,
                        "sticky": stimulus.reaction.sticky,
                    },
                }
            case Post():
                names = MESSAGES[stimulus.message].given
                return {
                    "stimulus": stimulus.kind,
                    "message": stimulus.message,
                    "fields": arguments_to_json(names, stimulus.fields),
                    **({"flaw": stimulus.flaw} if stimulus.flaw else {}),
                }
            case Release() | Environ() | Run() | Settle():
                kind, *rest = stimulus
                return {"stimulus": kind, **dict(zip(stimulus._fields[1:], rest, strict=True))}
    except (KeyError, ValueError) as error:
        raise CaseError(f"{stimulus!r} cannot be written: {error}") from None


def _step_to_json(step: Step) -> dict[str, Any]:
    if isinstance(step, Hold):
        return {"hold": True}
    return {"act": step.function, "arguments": _arguments(step)}


def _arguments(call: Invoke | Act) -> dict[str, Any]:
    return arguments_to_json(_PARAMETERS[call.function], call.arguments)


def stimulus_from_json(record: Mapping[str, Any]) -> Stimulus:
    """The stimulus that a JSON object describes, validated. Raises CaseError with one line."""
    try:
        return _STIMULUS.validate_python(record).to_stimulus()
    except ValidationError as error:
        raise CaseError(explain(error)) from None
    except ValueError as error:
        raise CaseError(str(error)) from None


def _read_stimulus(value: object) -> Stimulus:
    if isinstance(value, Invoke | Arm | Release | Environ | Post | Run | Settle):
        return value
    try:
        return stimulus_from_json(value)  # type: ignore[arg-type]
    except CaseError as error:
        raise ValueError(str(error)) from None


class _AsStimulusLine:
    """The JSON Schema of a stimulus inside a case."""

    def __get_pydantic_json_schema__(
        self, _: object, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(_STIMULUS.core_schema)


def _with_schema(record: Any) -> Any:
    """A case made in a program need not name its format; a file must."""
    return {"schema": None, **record} if isinstance(record, dict) else record


class Expectation(Line):
    """What the run of a case showed when it was saved.

    ``event`` describes the event, or the silence, at which the verdict fell.
    """

    verdict: Literal["conforming", "violation", "lost"]
    requirements: Annotated[tuple[str, ...], Field(strict=False)] = ()
    event: str | None = None


class Case(Line):
    """One test that can be run again: what to do, against what, and what was seen then.

    ``adapter`` and ``profile`` are names as on the command line, ``tool`` the version that
    wrote the file, ``note`` free text for people.
    """

    schema_: Literal["kmcl-case/1"] = Field(default=CASE_SCHEMA, alias="schema")
    name: str
    adapter: str
    profile: str
    seed: int
    tool: str
    note: str = ""
    expect: Expectation | None = None
    stimuli: Annotated[
        tuple[
            Annotated[
                Stimulus,
                PlainValidator(_read_stimulus),
                PlainSerializer(stimulus_to_json, return_type=dict[str, Any]),
                _AsStimulusLine(),
            ],
            ...,
        ],
        Field(strict=False),
    ]

    @classmethod
    def loads(cls, text: str) -> Case:
        """The case in this text. Raises CaseError without a file name."""
        try:
            return cls.model_validate(_with_schema(json.loads(text)))
        except json.JSONDecodeError as error:
            raise CaseError(
                f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}; "
                "restore the file from where it was saved"
            ) from None
        except ValidationError as error:
            advice = f"correct it; the format is {CASE_SCHEMA}, described in case.schema.json"
            raise CaseError(f"{explain(error)}; {advice}") from None
        except (ValueError, RecursionError) as error:
            raise CaseError(f"cannot be read: {error}; restore the file") from None

    def dumps(self) -> str:
        """The case as text, one stimulus a line, the same bytes for the same case."""
        fields = self.model_dump(by_alias=True)
        stimuli = ",\n".join("    " + json.dumps(stimulus) for stimulus in fields.pop("stimuli"))
        head = json.dumps(fields, indent=2).removesuffix("\n}")
        return f'{head},\n  "stimuli": [\n{stimuli}\n  ]\n}}\n'

    @classmethod
    def load(cls, path: Path) -> Case:
        """Read a case file. Raises CaseError with one line that begins with the path."""
        try:
            return cls.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise CaseError(f"{path}: {error.strerror}; name a file that can be read") from None
        except UnicodeDecodeError:
            raise CaseError(f"{path}: not UTF-8 text; name a case file") from None
        except CaseError as error:
            raise CaseError(f"{path}: {error}") from None

    def save(self, path: Path) -> None:
        """Write a case file, whole or not at all. Raises CaseError where that cannot be done."""
        part = path.with_name(path.name + ".part")
        try:
            part.write_text(self.dumps(), encoding="utf-8")
            part.replace(path)
        except OSError as error:
            advice = "choose a folder that can be written"
            raise CaseError(f"{path}: {error.strerror}; {advice}") from None
