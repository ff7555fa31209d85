"""SVG elements as text. Attributes and words are escaped here; children are markup already."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

Attribute = str | float


def tag(name: str, *children: str, **attributes: Attribute) -> str:
    """An element. `class_` is the attribute class; an underscore inside a name is a hyphen."""
    written = "".join(f' {_name(key)}="{_value(value)}"' for key, value in attributes.items())
    inside = "".join(children)
    return f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>"


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: Attribute) -> str:
    return escape(value) if isinstance(value, str) else number(value)


def number(value: float) -> str:
    """A coordinate with a tenth of a pixel, as short as it goes."""
    short = f"{value:.1f}".removesuffix(".0")
    return "0" if short == "-0" else short


def text(x: float, y: float, words: str, **attributes: Attribute) -> str:
    """Words at a place."""
    return tag("text", escape(words), x=x, y=y, **attributes)


def title(words: str) -> str:
    """What a browser shows when the pointer rests on the parent."""
    return tag("title", escape(words))


def rect(
    left: float, top: float, right: float, bottom: float, *children: str, **attributes: str
) -> str:
    """A rectangle by its edges."""
    size = {"width": max(right - left, 0), "height": max(bottom - top, 0)}
    return tag("rect", *children, x=left, y=top, **size, **attributes)


def path(d: str, *children: str, **attributes: Attribute) -> str:
    """A path by its commands."""
    return tag("path", *children, d=d, **attributes)


def polyline(points: Iterable[tuple[float, float] | None]) -> str:
    """Commands of a line through points; None interrupts it."""
    commands, pen = list[str](), "M"
    for point in points:
        if point is None:
            pen = "M"
            continue
        commands.append(f"{pen}{number(point[0])} {number(point[1])}")
        pen = "L"
    return "".join(commands)


def image(width: float, height: float, name: str, description: str, *children: str) -> str:
    """The whole picture, with a name and a description for those who don't see it."""
    view = f"0 0 {number(width)} {number(height)}"
    label = escape(f"{name}. {description}")
    return (
        f'<svg class="chart" viewBox="{view}" width="{number(width)}" height="{number(height)}"'
        f' role="img" aria-label="{label}" xmlns="http://www.w3.org/2000/svg">'
        f"{''.join(children)}</svg>"
    )
