"""What mail programs draw of a mail, as far as ours are concerned: the rules that every mail is held to.

Three programs stand for the rest: Gmail (in a browser and as an app, which drops what it does not know),
Outlook on Windows (which draws with Word) and Apple Mail (a whole browser). What is in no table here is in no
mail. Sources, read in November 2026:

- Word: "Word 2007 HTML and CSS Rendering Capabilities in Outlook 2007" (Microsoft), and what caniemail.com
  measured up to Outlook 2021. Its properties come in three groups: those for every element, margins for all
  but <body> and <span>, and the box (padding, width, single borders) for neither of these nor for <p>, <div>
  and <a>.
- Gmail: developers.google.com/gmail/design/css, and caniemail.com for what was measured.
- Apple Mail: caniemail.com.
"""

STYLE_BYTES = 8192  # Gmail drops a <style> that is longer, and every one after it
CLIPPED_BYTES = 102_000  # Gmail cuts a mail off here; ours end earlier (compose.MAX_HTML)

# Elements, with the attributes that they may have besides ``class`` and ``style``.
ELEMENTS: dict[str, set[str]] = {
    "html": {"lang", "dir"},
    "head": set(), "title": set(), "style": set(), "tbody": set(), "tr": set(),
    "meta": {"charset", "name", "content"},
    "body": set(),
    "div": {"role", "aria-roledescription", "aria-label", "lang", "dir"},  # Gmail drops <html>
    "table": {"role", "width", "align", "cellpadding", "cellspacing", "border", "bgcolor"},
    "td": {"align", "bgcolor"},
    "th": {"scope", "align"},
    "h1": set(), "h2": set(), "p": set(), "b": set(), "br": set(), "code": set(), "span": set(),
    "a": {"href"},
    "img": {"src", "width", "height", "alt"},
    "wbr": set(),  # Word and some Gmail apps drop it: there a long word makes the table wider
}  # fmt: skip

# Properties that all three draw, on the elements that the groups above name.
TEXT = {
    "background-color", "color", "font-family", "font-size", "font-weight", "line-height", "text-align",
    "text-decoration", "vertical-align", "border", "border-collapse",
}  # fmt: skip
MARGINS = {"margin"}
BOX = {"padding", "width", "border-top", "border-left"}
NO_MARGINS = {"body", "span"}
NO_BOX = {"body", "span", "p", "div", "a", "code", "b"}

# What one of the three does not draw, and what is lost where it does not.
LOST = {
    "border-radius": "Word: corners are square",
    "display": "Word knows none alone: a chip is a coloured word, a button's colour comes from its cell",
    "margin-right": "Word: the name is closer to the logo",
    "max-height": "Word: what is hidden is hidden by mso-hide",
    "max-width": "Word: the table around it, for Word alone, has the width",
    "mso-hide": "for Word alone",
    "mso-padding-alt": "for Word alone",
    "overflow": "Word: what is hidden is hidden by mso-hide",
    "overflow-wrap": "Gmail, Word, old Apple Mail: word-break and <wbr> break long words",
    "table-layout": "Word: columns are as wide as their words",
    "-webkit-text-size-adjust": "for Apple alone, which makes small text larger by itself",
    "white-space": "Word: a changed line is shown without what it is indented by; a chip may break",
    "word-break": "Gmail breaks earlier than it has to",
}
DISPLAY = {"inline-block", "none"}
# The box where Word draws none, and why it may be lost there.
UNBOXED = {
    ("a", "padding"): "a button's cell has it as mso-padding-alt",
    ("body", "padding"): "there is none in Word anyway",
    ("p", "border-left"): "a notice has its colour and begins with a word",
    ("p", "padding"): "notices and commands stand closer to the edge of their colour",
    ("span", "padding"): "a chip is closer around its word",
    ("body", "margin"): "there is none in Word anyway",
}

# In <style>: Gmail takes queries about the width, and rules for elements and classes that it can rename; what
# is about dark is read by Apple Mail (and Outlook on a Mac) alone. Gmail's apps and Outlook turn the light
# colours dark themselves: every colour stands with its background, and the logo has its own.
QUERIES = {"(max-width: 520px)", "(prefers-color-scheme: dark)"}
SELECTOR = r"(\.?[a-z]\w*)( \.?[a-z]\w*)*"

# Nowhere: what is fetched or run, what Gmail answers by dropping the whole style, what no table layout needs.
FORBIDDEN = (
    "url(", "@import", "@font-face", "expression(", "var(", "calc(", "javascript:", "position:", "float:",
    "flex", "grid-", "<script", "<svg", "<form", "<input", "<button", "<iframe", "<link", "<object", "<video",
    "http-equiv", " id=", " on", "srcset", "background=",
)  # fmt: skip
