"""The status page: what it says, and that nothing told by others can become a part of it."""

from __future__ import annotations

from html.parser import HTMLParser

from driver import guide_node
from test_report import master, status

from vrrpd import page


class Seen(HTMLParser):
    """Elements and the text in them."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_it_says_what_each_router_is_and_why() -> None:
    seen = Seen("".join(page.render(status(master()), "lb1")))
    assert "lb1: all is well" in seen.text
    assert "R1 MASTER" in seen.text
    assert "nobody advertised for 3.61 s" in seen.text
    assert "10.230.137.100/32 dev eth0, here" in seen.text


def test_who_needs_a_person_is_said_in_the_title() -> None:
    node = guide_node()
    node.run(10 * 10**9)  # it is Master, and the kernel shows no address
    seen = Seen("".join(page.render(status(node), "lb1")))
    assert seen.text.count("lb1: 1 needs a person") == 2
    assert "10.230.137.100/32 is missing" in seen.text


def test_it_has_no_script_and_asks_nobody_for_anything() -> None:
    seen = Seen("".join(page.render(status(master()), "lb1")))
    assert not {"script", "img", "link", "iframe", "form", "object"} & set(seen.elements)
    assert not {"href", "src", "style", "onclick"} & {name for name, _ in seen.attributes}


def test_markup_in_what_was_told_is_text() -> None:
    told = status(master())
    told["virtual_routers"][0] |= {"name": "<script>alert(1)</script>", "reason": "<b>&"}
    told["config"] = "<i>"
    seen = Seen("".join(page.render(told, "<h1>")))
    assert not {"script", "b", "i"} & set(seen.elements)
    assert "<script>alert(1)</script>" in seen.text
