"""The words that naming rules know: verbs, standard events, reserved names and their types, columns, personal data."""

from __future__ import annotations

import re


def _set(text: str, between: str | None = None) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(between))


def _all(names: str, *types: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(names.split(), types)


TITLE = re.compile(
    r"[A-Z0-9][A-Za-z0-9]*( ([A-Z0-9][A-Za-z0-9]*|a|an|and|as|at|by|for|from|in|of|on|or|the|to|via|with))*\Z"
)
SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z")
CAMEL = re.compile(r"[a-z][a-z0-9]*([A-Z][a-z0-9]*)*\Z")

IRREGULAR_PAST = _set(
    """Sent Read Built Bought Sold Paid Won Lost Begun Chosen Seen Shown Hidden Kept Left Made Met Put Run Set Shut
    Spent Taken Told Given Found Held Cut Hit Drawn Written Withdrawn"""
)
VERB_ALONE = frozenset(("Signed Up", "Signed In", "Signed Out", "Unsubscribed"))
NOT_PAST = frozenset(("Video Content Playing", "Video Ad Playing"))
INNER_CAPITALS = frozenset(("iOS", "macOS", "SMS", "AI", "QR", "GitHub", "YouTube", "LinkedIn", "TikTok", "PayPal"))
GENERIC_OBJECTS = frozenset(("Button", "Element", "Link", "Page"))
GENERIC_VERBS = frozenset(("Clicked", "Viewed"))
OWN_EVENTS = frozenset(("Violation Generated",))
PAGE_EVENTS = {"Page Viewed": "page", "Screen Viewed": "screen"}

OLD_EVENTS = {
    "Viewed Product Category": "Product List Viewed",
    "Viewed Promotion": "Promotion Viewed",
    "Clicked Promotion": "Promotion Clicked",
    "Clicked Product": "Product Clicked",
    "Viewed Product": "Product Viewed",
    "Added Product": "Product Added",
    "Removed Product": "Product Removed",
    "Viewed Checkout Step": "Checkout Step Viewed",
    "Completed Checkout Step": "Checkout Step Completed",
    "Started Order": "Checkout Started",
    "Updated Order": "Order Updated",
    "Completed Order": "Order Completed",
    "Refunded Order": "Order Refunded",
    "Searched Products": "Products Searched",
}
STANDARD_EVENTS = _set(
    """Products Searched; Product List Viewed; Product List Filtered; Promotion Viewed; Promotion Clicked;
    Product Clicked; Product Viewed; Product Added; Product Removed; Cart Viewed; Checkout Started;
    Checkout Step Viewed; Checkout Step Completed; Payment Info Entered; Order Updated; Order Completed;
    Order Refunded; Order Cancelled; Coupon Entered; Coupon Applied; Coupon Denied; Coupon Removed;
    Product Added to Wishlist; Product Removed from Wishlist; Wishlist Product Added to Cart; Product Shared;
    Cart Shared; Product Reviewed; Account Created; Account Deleted; Signed Up; Signed In; Signed Out; Invite Sent;
    Account Added User; Account Removed User; Trial Started; Trial Ended; Application Installed; Application Opened;
    Application Updated; Application Backgrounded; Application Crashed; Application Uninstalled;
    Push Notification Received; Push Notification Tapped; Push Notification Bounced; Install Attributed;
    Deep Link Opened; Deep Link Clicked; Video Playback Started; Video Playback Paused; Video Playback Interrupted;
    Video Playback Buffer Started; Video Playback Buffer Completed; Video Playback Seek Started;
    Video Playback Seek Completed; Video Playback Resumed; Video Playback Completed; Video Playback Exited;
    Video Content Started; Video Content Playing; Video Content Completed; Video Ad Started; Video Ad Playing;
    Video Ad Completed; Video Quality Updated; Email Bounced; Email Delivered; Email Link Clicked;
    Email Marked as Spam; Email Opened; Unsubscribed; Live Chat Conversation Started; Live Chat Conversation Ended;
    Live Chat Message Sent; Live Chat Message Received; Experiment Viewed""",
    ";",
)

_NUMBER = ("number", "integer")
_TRAITS = _all("avatar description email industry name plan website createdAt created_at", "string") | _all(
    "id phone", "string", *_NUMBER
)
RESERVED: dict[str, dict[str, tuple[str, ...]]] = {
    "track": _all("revenue value", *_NUMBER) | _all("currency", "string") | _all("products", "array"),
    "page": _all("name path referrer search title url category", "string") | _all("keywords", "array"),
    "screen": _all("name category", "string"),
    "identify": _TRAITS
    | _all("birthday gender title username firstName first_name lastName last_name", "string")
    | _all("address company", "object")
    | _all("age", *_NUMBER),
    "group": _TRAITS | _all("address", "object") | _all("employees", "string", *_NUMBER),
}
"""The types that a reserved name may have, by call type."""
CAMEL_STANDARD = _set("postalCode createdAt firstName lastName startupTime droppedFrames conversationId messageId")
COLUMNS = _set(
    """id event event_text user_id anonymous_id received_at sent_at timestamp original_timestamp uuid uuid_ts
    loaded_at"""
)
CONTEXT_NAMES = frozenset(("ip", "user_agent", "userAgent", "library", "os"))
MONEY = _set("revenue value price total subtotal tax shipping discount")
AMOUNTS = frozenset(("revenue", "value", "total"))
MANY_TYPES = frozenset(("position", "rating"))
PERSONAL = re.compile(
    r"(email|phone|first_?name|last_?name|firstName|lastName|username|recipient|invitee_.*|message_body|review_body|"
    r"address|birthday|ip)\Z"
)
NESTED = _set("products filters sorts campaign content address company keywords")


def fold(name: str) -> str:
    """The name without case, spaces and signs: what two names share that people take for the same."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def words(name: str) -> list[str]:
    """The words of a name in any casing."""
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", name)


def in_title_case(name: str) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in words(name))


def in_snake_case(name: str) -> str:
    return "_".join(word.lower() for word in words(name))


def in_camel_case(name: str) -> str:
    first, *rest = words(name) or [name]
    return first.lower() + "".join(word[:1].upper() + word[1:].lower() for word in rest)


def is_past(word: str) -> bool:
    return word.endswith("ed") or word in IRREGULAR_PAST


DATE = re.compile(r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}")
_HEX = re.compile(r"\b(?=[0-9a-fA-F]*[0-9])[0-9a-fA-F]{8,}\b")
_DYNAMIC = (
    (DATE, "a date"),
    (_UUID, "a UUID"),
    (re.compile(r"[^\s@]+@[^\s@]+"), "an email address"),
    (re.compile(r"https?:|www\."), "a web address"),
    (_HEX, "an id"),
    (re.compile(r"[0-9]{3,}"), "a number"),
    (re.compile(r"[{}$%<>]"), "a placeholder"),
)


def made_at_run_time(name: str) -> str:
    """What in a name looks as if a program had put it in, or an empty string."""
    return next((what for pattern, what in _DYNAMIC if pattern.search(name)), "")
