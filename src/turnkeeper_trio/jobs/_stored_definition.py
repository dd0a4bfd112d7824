"""The definition of a job as text for a durable store: its request, the name of its function, and its arguments.

`DefinitionCodec` writes it in the task of the caller, because that calls methods of the user's objects. The engine
carries the text and never writes it: a change of a job is written by the caller as well, and joined with the text of
the job by `changed_definition`, which calls nothing of a user's.

The schedule in the definition is the one that was asked for. The schedule in force, which is bound to the instant of
acceptance, is a second text (`DefinitionCodec.bound`). An equal request then stays equal after a restart, and the grid
of the job stays.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final, cast, final

from turnkeeper_trio._kinds import NO_KINDS, WRITE, Kinds
from turnkeeper_trio._model import guard
from turnkeeper_trio.abc import ArgumentCodec, Schedule
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.jobs._codec import decoded_field
from turnkeeper_trio.jobs._stored_arguments import (
    NO_ARGUMENTS,
    check_json,
    compact,
    decode_arguments,
    encode_arguments,
    with_part,
)
from turnkeeper_trio.jobs.request import RecurringJobRequest, in_order, read_request, written_fields
from turnkeeper_trio.retries import ExponentialBackoff, FixedRetryDelay
from turnkeeper_trio.schedules._adapter import anchored_us
from turnkeeper_trio.schedules._base import is_library_schedule, read_schedule, written_schedule
from turnkeeper_trio.schedules.combined import Combination

VERSION: Final = 1
"""The version of the layout of a definition."""

_OWN_CLASSES: Final = f"for a class of your own, {WRITE}, and open_scheduler(kinds=[MyClass])"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """The definition of a job, as it was read."""

    request: RecurringJobRequest
    target: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    job_set: str | None = None
    """The name of the job set with which the job came."""

    job_set_version: int = 0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionChanges:
    """What `Scheduler.update_job` changes of a definition; ``None`` leaves a part as it is."""

    fields: Mapping[str, Any]
    """JSON values of fields of the request."""

    defaults: frozenset[str] = frozenset()
    """Fields that get their default."""

    target: str | None = None
    args: Mapping[str, Any] | None = None
    """The positional arguments, as `encode_arguments` writes them alone."""

    kwargs: Mapping[str, Any] | None = None
    """The keyword arguments, as `encode_arguments` writes them alone."""


@final
class DefinitionCodec:
    """Writes and reads definitions, with the user's ``kinds`` of schedules and retry policies, and ``codec``."""

    __slots__ = ("_codec", "_kinds", "_last")

    def __init__(self, kinds: Kinds = NO_KINDS, codec: ArgumentCodec | None = None) -> None:
        self._kinds = kinds
        self._codec = codec
        self._last: tuple[RecurringJobRequest | None, str] = (None, "")
        """The request that was written last, which the next job may share, and its text."""

    def encode(
        self,
        request: RecurringJobRequest,
        target: str,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        job_set: tuple[str, int] | None = None,
    ) -> str:
        """Return the text of a definition. Whether a default of a field was given makes no difference.

        Equal texts are equal definitions. Different texts may be, too: 5 and 5.0 seconds, or other orders of keys.

        Raises:
            ConfigurationError: An argument, the schedule or the retry policy cannot be kept; ``parameter`` names it.
        """
        return self._text(request, target, encode_arguments(args, kwargs, self._codec), job_set)

    def encode_with_copies(
        self,
        request: RecurringJobRequest,
        target: str,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        job_set: tuple[str, int] | None = None,
    ) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return what `encode` returns, and copies of the arguments as they are read from it.

        The function gets these copies, so that it gets the same before a restart as after it.

        Raises:
            ConfigurationError: As `encode`.
        """
        arguments = encode_arguments(args, kwargs, self._codec)
        text = self._text(request, target, arguments, job_set)
        copies: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})
        if arguments != NO_ARGUMENTS:
            copies = decode_arguments(json.loads(arguments), self._codec)
        return text, *copies

    def decode(self, text: str) -> Definition:
        """Return the definition that `encode` wrote.

        Raises:
            ConfigurationError: The text is not what `encode` writes, or is of a different version; or it holds a kind
                of schedule or retry policy that is not among ``kinds``; or the codec cannot read the arguments.
        """
        data = _parsed(text)
        try:
            args, kwargs = decode_arguments(data.get("call", {}), self._codec)
            name, version = data.get("set", (None, 0))
            return Definition(
                request=read_request(data["request"], self._kinds),
                target=data["target"],
                args=args,
                kwargs=kwargs,
                job_set=name,
                job_set_version=version,
            )
        except ConfigurationError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError) as exc:
            raise _no_definition(guard.raised(exc)) from exc

    def changes(
        self,
        fields: Mapping[str, Any],
        target: str | None = None,
        args: tuple[Any, ...] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> DefinitionChanges:
        """Return the text of what an update changes; ``fields`` are checked fields of a request.

        Raises:
            ConfigurationError: An argument, the schedule or the retry policy cannot be kept; ``parameter`` names it.
        """
        if target is not None:
            check_json("fn", target)
        written = written_fields(fields)
        self._check_fields(fields, written)
        return DefinitionChanges(
            fields=written,
            defaults=frozenset(fields).difference(written),
            target=target,
            args=None if args is None else json.loads(encode_arguments(args, None, self._codec)),
            kwargs=None if kwargs is None else json.loads(encode_arguments((), kwargs, self._codec)),
        )

    def arguments_of(self, changes: DefinitionChanges) -> tuple[tuple[Any, ...] | None, dict[str, Any] | None]:
        """Return copies of the arguments in a change; ``None`` for those that do not change."""
        args = None if changes.args is None else decode_arguments(changes.args, self._codec)[0]
        return args, None if changes.kwargs is None else decode_arguments(changes.kwargs, self._codec)[1]

    def bound(self, asked: Schedule, bound: Schedule, at: int) -> str | None:
        """Return the text of the schedule in force; ``None`` if it is the one that was asked for.

        Of a schedule of the library, the instant ``at`` at which its grid begins says it all.

        Raises:
            ConfigurationError: It is a user's, and cannot be kept.
        """
        if bound is asked:
            return None
        if _is_plain(asked):
            return str(at)
        written = written_schedule(bound)
        self._check_written("schedule", bound, written)
        return compact(written)

    def read_bound(self, asked: Schedule, text: str | None) -> Schedule:
        """Return the schedule in force that `bound` wrote.

        Raises:
            ConfigurationError: It has a kind that is not among ``kinds``, or the text is not what `bound` writes.
        """
        if text is None:
            return asked
        read = json.loads(text)
        return anchored_us(asked, read) if type(read) is int else read_schedule(read, self._kinds)

    def _text(self, request: RecurringJobRequest, target: str, arguments: str, job_set: tuple[str, int] | None) -> str:
        check_json("fn", target)
        parts = [f'{{"v":{VERSION},"request":{self._request_text(request)},"target":{compact(target)}']
        if arguments != NO_ARGUMENTS:
            parts.append(f',"call":{arguments}')
        if job_set is not None:
            check_json("job_set", job_set[0])
            parts.append(f',"set":{compact(list(job_set))}')
        return "".join((*parts, "}"))

    def _request_text(self, request: RecurringJobRequest) -> str:
        last, text = self._last
        if last is not request:
            written = request.to_json()
            written.pop("given", None)
            self._check_fields({name: getattr(request, name) for name in written if name != "v"}, written)
            text = compact(written)
            self._last = (request, text)
        return text

    def _check_fields(self, values: Mapping[str, Any], written: Mapping[str, Any]) -> None:
        """Check that texts can be written, and that what may be an object of a user's class reads back equal."""
        for name in ("name", "tags"):
            if name in written:
                check_json(name, written[name])
        for name in ("schedule", "retry", "initial_run_time", "until"):
            if name in written:
                self._check_written(name, values[name], written[name])

    def _check_written(self, name: str, value: Any, written: Any) -> None:
        if value is None or _is_plain(value):
            return
        check_json(f"{name}.to_json()", written)
        try:
            read = decoded_field(name, json.loads(compact(written)), self._kinds)
        except ConfigurationError as exc:
            message = f"a durable store cannot keep {name}={guard.shown(value)}: {exc}; {_OWN_CLASSES}"
            raise ConfigurationError(message, parameter=name) from exc
        if not guard.equal(read, value):
            how = "give the instant in UTC" if guard.is_a(value, datetime) else "define __eq__"
            message = f"{name} reads back as {guard.shown(read)}, which is not equal to {guard.shown(value)}; {how}"
            raise ConfigurationError(message, parameter=name)


def changed_definition(text: str, changes: DefinitionChanges) -> str:
    """Return the text of a definition after a change. Nothing of a user's is called."""
    data = _parsed(text)
    request = {name: value for name, value in data["request"].items() if name not in changes.defaults}
    call = data.get("call", {})
    for name, part in (("args", changes.args), ("kwargs", changes.kwargs)):
        if part is not None:
            call = with_part(call, name, part)
    changed = {
        "v": VERSION,
        "request": in_order({**request, **changes.fields}),
        "target": data["target"] if changes.target is None else changes.target,
        **({"call": call} if call else {}),
        **({"set": data["set"]} if "set" in data else {}),
    }
    return compact(changed)


def _parsed(text: str) -> dict[str, Any]:
    """Return the JSON object of a definition."""
    parsed, error = guard.call(json.loads, text)
    if error is not None or type(parsed) is not dict:
        raise _no_definition(guard.shown(text))
    data = cast("dict[str, Any]", parsed)
    version = data.get("v")
    if version is True or version != VERSION:
        raise _no_definition(f"version {guard.shown(version)} is not known here, only {VERSION}")
    return data


def _no_definition(why: str) -> ConfigurationError:
    return ConfigurationError(f"this is no definition of a job: {why}", parameter="text")


def _is_plain(value: object) -> bool:
    """Return whether a value is one of the library's, or Python's, that certainly reads back equal."""
    if isinstance(value, datetime):
        return type(value.tzinfo) is timezone
    if type(value) in {ExponentialBackoff, FixedRetryDelay} or isinstance(value, timedelta):
        return True
    return is_library_schedule(value) and not isinstance(value, Combination)
