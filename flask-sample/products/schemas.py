"""What comes in and goes out as JSON."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from chassis.fields import Text, Whole
from chassis.paging import PageQuery

MOST_CENTS = 100_000_000
MOST_STOCK = 1_000_000


def _name(**kwargs: Any) -> Text:
    return Text(least=1, most=200, **kwargs)


def _price(**kwargs: Any) -> Whole:
    return Whole(least=0, most=MOST_CENTS, metadata={"description": "Price in cents"}, **kwargs)


def _currency(**kwargs: Any) -> ma.fields.String:
    return ma.fields.String(
        validate=ma.validate.Regexp(r"^[A-Z]{3}\Z", error="Must be three capital letters (ISO 4217)."),
        metadata={"pattern": "^[A-Z]{3}$", "example": "EUR"},
        **kwargs,
    )


class ProductSchema(ma.Schema):
    id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)
    description = ma.fields.String(required=True)
    price_cents = ma.fields.Integer(required=True)
    currency = ma.fields.String(required=True)
    stock = ma.fields.Integer(required=True)
    created_by = ma.fields.String(required=True)
    version = ma.fields.Integer(required=True, metadata={"description": "Counts changes; also the ETag"})
    created_at = ma.fields.DateTime(required=True)
    updated_at = ma.fields.DateTime(required=True)


class NewProductSchema(ma.Schema):
    name = _name(required=True)
    description = Text(most=4000, lines=True, load_default="")
    price_cents = _price(required=True)
    currency = _currency(load_default="EUR")
    stock = Whole(least=0, most=MOST_STOCK, load_default=0)


class ProductChangeSchema(ma.Schema):
    """What is left out stays as it is."""

    name = _name()
    description = Text(most=4000, lines=True)
    price_cents = _price()
    currency = _currency()
    stock = Whole(least=0, most=MOST_STOCK)


class ProductQuery(PageQuery):
    q = Text(least=1, most=100, metadata={"description": "Only products with this in their name"})
    created_by = Text(least=1, most=100, metadata={"description": "Only products of this user; `me` is the caller"})


class ProductPageSchema(ma.Schema):
    data = ma.fields.List(ma.fields.Nested(ProductSchema), required=True)
    next = ma.fields.String(required=True, allow_none=True, metadata={"description": "Cursor of the next page"})
