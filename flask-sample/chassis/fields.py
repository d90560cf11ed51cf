"""Fields that accept what JSON and PostgreSQL can hold, and no more."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import marshmallow as ma

_LINES = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]*$"
_ONE_LINE = r"^[^\u0000-\u001f\u007f]*$"
_MESSAGES: dict[str, Any] = {"required": "Is missing.", "null": "Must not be null.", "invalid": "Must be a text."}
_SURROGATE = re.compile("[\ud800-\udfff]")


class Text(ma.fields.String):
    """Text in Unicode's normal form C, with a length in characters, without control characters or stray surrogates."""

    def __init__(self, *, least: int = 0, most: int, lines: bool = False, **kwargs: Any) -> None:
        pattern = _LINES if lines else _ONE_LINE
        # Python's `$` also matches before a last line end.
        self._allowed = re.compile(pattern[:-1] + r"\Z")
        metadata = {"pattern": pattern, **kwargs.pop("metadata", {})}
        error = f"Must be {least} to {most} characters long." if least else f"Must be at most {most} characters long."
        length = ma.validate.Length(min=least, max=most, error=error)
        super().__init__(validate=length, metadata=metadata, error_messages=_MESSAGES, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not self._allowed.match(text) or _SURROGATE.search(text):
            raise ma.ValidationError("Must not hold control characters.")
        return unicodedata.normalize("NFC", text)


class Whole(ma.fields.Integer):
    """An integer within bounds: no text, no flag, no fraction. 5.0 is an integer to JSON Schema, and so to us."""

    def __init__(self, *, least: int, most: int, **kwargs: Any) -> None:
        bounds = ma.validate.Range(min=least, max=most, error=f"Must be from {least} to {most}.")
        messages = {**_MESSAGES, "invalid": "Must be an integer."}
        super().__init__(strict=True, validate=bounds, error_messages=messages, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        result: int = super()._deserialize(value, attr, data, **kwargs)
        return result
