"""What a column's name says about its values: codes, counts, moments, prose or identifiers."""

from __future__ import annotations

import re


def listed(words: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(words.split())


CODES = listed(
    """area branch brand category cat channel city class cluster code county country department
    dept district division education ethnicity gender grade group grp genre make marital
    marriage model msa occupation pclass plan plz postal postcode product province race region
    relationship season sector segment sex shop sku state store subclass type warehouse
    weathersit zip zipcode zone"""
)
COUNTS = listed(
    """age amount avg balance bathrooms bedrooms calls children count cost cnt days depth
    distance duration floors height hour hours hr income kids length mean mileage minutes
    months n nb num pct percent price qty quantity rate ratio rooms salary score seconds size
    sum tenure total value visits weeks weight width year years yr"""
)
IDS = listed("guid hash id identifier idx index key pk rowid rownum uid uuid")
SERIALS = listed(
    "account barcode invoice isbn no nr number order passport phone ref reference serial ssn ticket"
)
ENTITIES = listed(
    """account client customer employee household member passenger patient person student subject
    user username visitor"""
)
TEXTS = listed(
    "body comment comments description message name note notes remarks review summary text title"
)


def words_of(name: str) -> frozenset[str]:
    """The name's words, lower case: `customerID_2` → customer, id, 2."""
    apart = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3 \2\4", name)
    return frozenset(word.lower() for word in re.findall(r"[^\W\d_]+|\d+", apart))


def is_code(name: str) -> bool:
    """A name such as zip_code or Pclass, and not num_stores."""
    return bool(words_of(name) & CODES) and not is_count(name)


def is_count(name: str) -> bool:
    """A name such as num_visits, failed_payments or age."""
    return is_measure(name) or any(map(_is_plural, words_of(name) - CODES))


def is_measure(name: str) -> bool:
    """A name such as age or num_x, and not has_tickets."""
    return bool(words_of(name) & COUNTS)


def _is_plural(word: str) -> bool:
    return len(word) > 3 and word.endswith("s") and word[-2:] not in ("ss", "us", "is")


def is_id(name: str) -> bool:
    """A name such as customerID."""
    return bool(words_of(name) & IDS)


def is_serial(name: str) -> bool:
    """A name such as invoice_no, not number_of_rooms: an identifier if every row has its own."""
    return bool(words_of(name) & SERIALS) and not is_count(name)


def is_entity(name: str) -> bool:
    """A name such as customer_id: who or what the row is about, perhaps in several rows."""
    named = words_of(name)
    return bool(named & IDS and named & ENTITIES)


def is_prose(name: str) -> bool:
    """A name such as review_text."""
    return bool(words_of(name) & TEXTS)
