"""Reading a page with nothing but the standard library."""

import base64
import io
from html.parser import HTMLParser


class Page(HTMLParser):
    """Every attribute and text of a page, and the cells of its table."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.attributes, self.texts, self.views, self.heads, self.images = [], {}, {}, [], []
        self._open, self._view, self._cell = [], None, None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.attributes += [(tag, name, value or "") for name, value in attrs.items()]
        if tag not in ("meta", "link", "img", "input", "source", "br"):
            self._open.append(tag)
        if tag == "tbody":
            self._view = self.views.setdefault(attrs["data-date"], [])
        elif tag == "tr" and self._view is not None:
            self._view.append({"nothing": attrs.get("class") == "nothing", "cells": []})
        elif tag in ("td", "th") and "tbody" in self._open:
            self._cell = {"text": "", "value": attrs.get("data-value"), "best": False}
            self._view[-1]["cells"].append(self._cell)
        elif tag == "strong" and self._cell is not None:
            self._cell["best"] = True
        elif tag == "figure":
            self.figure = attrs
        elif tag == "img" and attrs.get("src"):
            self.images.append({**attrs, **getattr(self, "figure", {})})

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass
        if tag in ("td", "th"):
            self._cell = None
        elif tag == "figure":
            self.figure = {}

    def handle_data(self, data):
        where = self._open[-1] if self._open else ""
        self.texts[where] = self.texts.get(where, "") + data
        if self._cell is not None:
            self._cell["text"] += data
        if where == "button":
            self.heads.append(data)


def picture(uri):
    """Return the image of a data URI."""
    from PIL import Image

    head, content = uri.split(",", 1)
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    image = Image.open(io.BytesIO(base64.b64decode(content, validate=True)))
    image.load()
    return image
