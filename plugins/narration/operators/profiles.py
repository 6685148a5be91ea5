"""From a profile to the parameters of a narration: the same names, limits and checks as the forms have."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from narration.errors import PermanentNarrationError
from narration.inbox.errors import ProfileError
from narration.inbox.profile import check_names
from narration.operators.forms import FORMS, form_of
from narration.operators.parameters import NarrationParameters

if TYPE_CHECKING:
    from airflow.sdk import Param

DEFAULT_SERVICE = "polly"
NOT_IN_PROFILES = frozenset({"document", "dry_run", "approve_above"})
"""Fields of the forms that a run decides, and not a profile."""
PARAGRAPHS_PER_ORDER = 1000
"""A nightly run sees all orders of a document through in one task, so they are as large as the forms allow."""
_SHOWN = 8


def settings_of(profile: Mapping[str, Any], *, source: str, run: Mapping[str, Any]) -> dict[str, Any]:
    """
    Give everything that narrates a document but the document: ``{"service": …, "params": {…}}``, with every other field
    of the service's form.

    :param profile: what :func:`~narration.inbox.profile.read_profile` read.
    :param source: the profile as people know it, for messages.
    :param run: fields that the run sets for all documents; a profile's own value goes before.
    :raises ProfileError: if the profile sets something unknown, or to a value that its form would refuse.
    """
    service = profile.get("service", DEFAULT_SERVICE)
    if not isinstance(service, str) or service not in FORMS:
        meant = get_close_matches(str(service), FORMS, n=1)
        raise ProfileError(
            f"{source} asks for the service {service!r}, which is unknown. "
            + (f"Did you mean {meant[0]!r}?" if meant else f"Choose {', '.join(FORMS)}.")
        )
    form = form_of(service)
    check_names(profile, known={"service", *form} - NOT_IN_PROFILES, source=source)
    params: dict[str, Any] = {}
    for name, param in form.items():
        if name in profile:
            params[name] = _checked(name, profile[name], param=param, source=source, service=service)
        elif name != "document":
            params[name] = {**run, "paragraphs_per_order": PARAGRAPHS_PER_ORDER}.get(name, param.value)
    try:
        NarrationParameters.of({**params, "document": source}, service=service)
    except PermanentNarrationError as error:
        raise ProfileError(f"{source}: {error}") from error
    return {"service": service, "params": params}


def _checked(name: str, value: Any, *, param: Param, source: str, service: str) -> Any:
    from airflow.sdk.exceptions import ParamValidationError

    allowed = param.schema.get("enum")
    if allowed and value not in allowed:
        near = get_close_matches(str(value), [str(each) for each in allowed], n=1)
        some = ", ".join(str(each) for each in allowed if each is not None)
        raise ProfileError(
            f"{source} sets {name} to {value!r}, which {service} does not know. "
            + (f"Did you mean {near[0]!r}? " if near else "")
            + (f"It may be {some}." if len(allowed) <= _SHOWN else f"The form of narrate_{service} lists them all.")
        )
    try:
        return param.resolve(value)
    except ParamValidationError as error:
        reason = str(error).splitlines()[0].removeprefix("Invalid input for param ")
        raise ProfileError(f"{source} sets {name} to {value!r}, which cannot be: {reason}.") from error
