"""What comes in and goes out as JSON."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from chassis.fields import Text
from chassis.paging import PageQuery


def _password(**kwargs: Any) -> Text:
    return Text(least=10, most=200, load_only=True, metadata={"format": "password"}, **kwargs)


_ADDRESS = r"^[^\u0000-\u0020\u007f@]+@[^\u0000-\u0020\u007f@]+$"


class Email(Text):
    """In lower case. Whether it exists only a message to it could tell, so little is asked of its form."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(most=254, metadata={"pattern": _ADDRESS, "example": "ada@example.org"}, **kwargs)
        self.validators.append(ma.validate.Regexp(_ADDRESS[:-1] + r"\Z", error="Is not an email address."))

    def _deserialize(self, *args: Any, **kwargs: Any) -> str:
        return super()._deserialize(*args, **kwargs).lower()


class UserSchema(ma.Schema):
    id = ma.fields.UUID(required=True)
    email = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    role = ma.fields.String(required=True, validate=ma.validate.OneOf(["user", "admin"]))
    version = ma.fields.Integer(required=True, metadata={"description": "Counts changes; also the ETag"})
    created_at = ma.fields.DateTime(required=True)
    updated_at = ma.fields.DateTime(required=True)


class RegistrationSchema(ma.Schema):
    email = Email(required=True)
    name = Text(least=1, most=100, required=True)
    password = _password(required=True)


class UserChangeSchema(ma.Schema):
    """What is left out stays as it is."""

    email = Email()
    name = Text(least=1, most=100)
    password = _password()
    current_password = Text(
        most=200,
        load_only=True,
        metadata={"format": "password", "description": "Needed to change one's own email or password"},
    )
    role = ma.fields.String(
        validate=ma.validate.OneOf(["user", "admin"]), metadata={"description": "Admins change it, for others"}
    )


class LoginSchema(ma.Schema):
    email = Text(most=254, required=True)
    password = Text(most=200, required=True, load_only=True, metadata={"format": "password"})


class RefreshSchema(ma.Schema):
    refresh_token = Text(most=200, required=True)


class TokensSchema(ma.Schema):
    access_token = ma.fields.String(required=True, metadata={"description": "A JWT for `Authorization: Bearer`"})
    token_type = ma.fields.String(required=True)
    expires_in = ma.fields.Integer(required=True, metadata={"description": "Seconds the access token is good for"})
    refresh_token = ma.fields.String(required=True, metadata={"description": "Good for one call of /users/refresh"})


class UserPageSchema(ma.Schema):
    data = ma.fields.List(ma.fields.Nested(UserSchema), required=True)
    next = ma.fields.String(required=True, allow_none=True, metadata={"description": "Cursor of the next page"})


class UserListQuery(PageQuery):
    pass
