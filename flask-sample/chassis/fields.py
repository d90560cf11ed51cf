"""Fields that accept what JSON and PostgreSQL can hold, and no more."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import marshmallow as ma

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_CONTROL_OR_LINE_END = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Text(ma.fields.String):
    """Text in Unicode's normal form C, with a length in characters, without control characters or stray surrogates."""

    def __init__(self, *, least: int = 0, most: int, lines: bool = False, **kwargs: Any) -> None:
        self._forbidden = _CONTROL if lines else _CONTROL_OR_LINE_END
        super().__init__(validate=ma.validate.Length(min=least, max=most), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if self._forbidden.search(text):
            raise ma.ValidationError("Must not hold control characters.")
        return unicodedata.normalize("NFC", text)


class Whole(ma.fields.Integer):
    """An integer within bounds: no text, no flag, no fraction. 5.0 is an integer to JSON Schema, and so to us."""

    def __init__(self, *, least: int, most: int, **kwargs: Any) -> None:
        super().__init__(strict=True, validate=ma.validate.Range(min=least, max=most), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        result: int = super()._deserialize(value, attr, data, **kwargs)
        return result
