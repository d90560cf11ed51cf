"""Create, read, change and delete products."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Response, g, url_for
from sqlalchemy import select

from chassis.api import Blueprint
from chassis.paging import next_link, read_page
from chassis.preconditions import hashed, refuse_stale, tagged
from chassis.problems import Problem

from .models import Outbox, Product, db
from .schemas import NewProductSchema, ProductChangeSchema, ProductPageSchema, ProductQuery, ProductSchema

blueprint = Blueprint("products", __name__, description="Things to buy")


@blueprint.route("/products", methods=["GET"])
@blueprint.arguments(ProductQuery, location="query")
@blueprint.response(200, ProductPageSchema)
@blueprint.conditional("If-None-Match")
def list_products(query: dict[str, Any]) -> Response:
    """Lists products, the newest first"""
    statement = select(Product)
    owner = query.get("created_by")
    if "q" in query:
        statement = statement.where(Product.name.icontains(query["q"], autoescape=True))
    if owner is not None:
        statement = statement.where(Product.created_by == (_caller() if owner == "me" else owner))
    rows, cursor = read_page(db.session, Product, statement, query["limit"], query.get("cursor"))
    response = hashed({"data": [_shown(row) for row in rows], "next": cursor})
    response.headers.extend(next_link(cursor))
    return _cacheable(response, "products", is_shared=owner != "me")


@blueprint.route("/products", methods=["POST"])
@blueprint.arguments(NewProductSchema)
@blueprint.response(201, ProductSchema)
@blueprint.alt_response(401, "UNAUTHORIZED")
def create(fields: dict[str, Any]) -> Response:
    """Creates a product, which belongs to the caller"""
    product = Product(**fields, created_by=_caller())
    db.session.add(product)
    db.session.flush()
    _emit("created", product)
    db.session.commit()
    response = tagged(_shown(product), product, 201)
    response.headers["Location"] = url_for("products.read", product_id=product.id)
    return response


@blueprint.route("/products/<uuid:product_id>", methods=["GET"])
@blueprint.response(200, ProductSchema)
@blueprint.alt_response(404, "NOT_FOUND")
@blueprint.conditional("If-None-Match")
def read(product_id: uuid.UUID) -> Response:
    """Reads a product"""
    product = _find(product_id)
    return _cacheable(tagged(_shown(product), product), f"product-{product_id}", is_shared=True)


@blueprint.route("/products/<uuid:product_id>", methods=["PATCH"])
@blueprint.arguments(ProductChangeSchema)
@blueprint.response(200, ProductSchema)
@blueprint.alt_response(401, "UNAUTHORIZED")
@blueprint.alt_response(403, "FORBIDDEN")
@blueprint.alt_response(404, "NOT_FOUND")
@blueprint.alt_response(409, "CONFLICT")
@blueprint.alt_response(412, "PRECONDITION_FAILED")
@blueprint.conditional("If-Match")
def change(fields: dict[str, Any], product_id: uuid.UUID) -> Response:
    """Changes a product of one's own

    With If-Match it changes only the version that the caller has seen.
    """
    product = _own(product_id)
    for name, value in fields.items():
        setattr(product, name, value)
    if db.session.is_modified(product):
        db.session.flush()
        _emit("updated", product)
    db.session.commit()
    return tagged(_shown(product), product)


@blueprint.route("/products/<uuid:product_id>", methods=["DELETE"])
@blueprint.response(204)
@blueprint.alt_response(401, "UNAUTHORIZED")
@blueprint.alt_response(403, "FORBIDDEN")
@blueprint.alt_response(404, "NOT_FOUND")
@blueprint.alt_response(412, "PRECONDITION_FAILED")
@blueprint.conditional("If-Match")
def delete(product_id: uuid.UUID) -> Response:
    """Deletes a product of one's own"""
    product = _own(product_id)
    db.session.delete(product)
    _emit("deleted", product)
    db.session.commit()
    return Response(status=204)


def _find(product_id: uuid.UUID) -> Product:
    product = db.session.get(Product, product_id)
    if product is None:
        raise Problem(404, f"There is no product {product_id}.")
    return product


def _own(product_id: uuid.UUID) -> Product:
    """Raises Problem 401, 403, 404 or 412."""
    who = _caller()
    product = _find(product_id)
    if product.created_by != who:
        raise Problem(403, "You may change and delete your own products only.")
    refuse_stale(product)
    return product


def _caller() -> str:
    """Who the gateway says it is: the user of the access token, or else the consumer. Raises Problem 401."""
    who = g.upstream.get("act_sub") or g.upstream["sub"]
    if who == "anonymous":
        detail = "Log in first: this needs an access token (Authorization: Bearer …)."
        raise Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="products"'})
    return str(who)


def _shown(product: Product) -> dict[str, Any]:
    shown: dict[str, Any] = ProductSchema().dump(product)
    return shown


def _emit(what: str, product: Product) -> None:
    data = _shown(product) if what != "deleted" else {"id": str(product.id)}
    db.session.add(Outbox.event(f"product.{what}.v1", f"products/{product.id}", data))


def _cacheable(response: Response, key: str, is_shared: bool) -> Response:
    """A gateway may keep it for some seconds; a browser asks each time whether it has changed."""
    if is_shared:
        response.headers["Cache-Control"] = "public, max-age=0, s-maxage=5"
        response.headers["Surrogate-Key"] = key
    else:
        response.headers["Cache-Control"] = "private, no-cache"
    return response
