"""The events of the published specs with their properties, written down from the specs, apart from the templates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

P = "product_id sku category name brand variant price quantity coupon position url image_url"
LINK = "product_id sku category name brand variant price url image_url"
M = "revenue shipping tax discount coupon currency affiliation"
STEP = "checkout_id step shipping_method payment_method"
PLAYBACK = (
    "session_id content_asset_id content_pod_id ad_asset_id ad_pod_id ad_type position total_length bitrate framerate "
    "video_player sound full_screen ad_enabled quality livestream"
)
CONTENT = (
    "session_id asset_id pod_id title description keywords season episode genre program publisher channel position "
    "total_length full_episode livestream airdate bitrate framerate"
)
AD = "session_id asset_id pod_id pod_position pod_length type title publisher position total_length load_type content"
MAIL = "email_id email_subject campaign_id campaign_name"
CHAT = "conversation_id message_id agent_id agent_name agent_username conversation_duration"
TRIAL = "trial_start_date trial_end_date trial_plan_name"

PUBLISHED: dict[str, dict[str, str]] = {
    "ecommerce": {
        "Products Searched": "query",
        "Product List Viewed": "list_id category products",
        "Product List Filtered": "list_id category filters sorts products",
        "Promotion Viewed": "promotion_id creative name position",
        "Promotion Clicked": "promotion_id creative name position",
        "Product Clicked": P,
        "Product Viewed": f"{P} currency value",
        "Product Added": f"{P} cart_id",
        "Product Removed": f"{P} cart_id",
        "Cart Viewed": "cart_id products",
        "Checkout Started": f"{M} order_id value products",
        "Checkout Step Viewed": STEP,
        "Checkout Step Completed": STEP,
        "Payment Info Entered": f"{STEP} order_id",
        "Order Updated": f"{M} order_id total products",
        "Order Completed": f"{M} order_id checkout_id subtotal total products",
        "Order Refunded": "order_id products total currency",
        "Order Cancelled": f"{M} order_id total products",
        "Coupon Entered": "coupon_id order_id cart_id",
        "Coupon Applied": "coupon_id order_id cart_id coupon_name discount",
        "Coupon Denied": "coupon_id order_id cart_id coupon_name reason",
        "Coupon Removed": "coupon_id order_id cart_id coupon_name discount",
        "Product Added to Wishlist": f"{P} wishlist_id wishlist_name",
        "Product Removed from Wishlist": f"{P} wishlist_id wishlist_name",
        "Wishlist Product Added to Cart": f"{P} wishlist_id wishlist_name cart_id",
        "Product Shared": f"{LINK} share_via share_message recipient",
        "Cart Shared": "share_via share_message recipient cart_id products",
        "Product Reviewed": "product_id review_id review_body rating",
    },
    "b2b-saas": {
        "Account Created": "account_name",
        "Account Deleted": "account_name",
        "Signed Up": "type first_name last_name email phone username title",
        "Signed In": "username",
        "Signed Out": "username",
        "Invite Sent": "invitee_email invitee_first_name invitee_last_name invitee_role",
        "Account Added User": "role",
        "Account Removed User": "",
        "Trial Started": TRIAL,
        "Trial Ended": TRIAL,
    },
    "mobile": {
        "Application Installed": "version build",
        "Application Opened": "version build from_background url referring_application",
        "Application Updated": "version build previous_version previous_build",
        "Application Backgrounded": "",
        "Application Crashed": "",
        "Application Uninstalled": "",
        "Push Notification Received": "campaign",
        "Push Notification Tapped": "campaign action",
        "Push Notification Bounced": "campaign action",
        "Install Attributed": "provider campaign",
        "Deep Link Opened": "provider url",
        "Deep Link Clicked": "provider url",
    },
    "video": {
        "Video Playback Started": f"{PLAYBACK} content_asset_ids content_pod_ids",
        "Video Playback Paused": PLAYBACK,
        "Video Playback Interrupted": f"{PLAYBACK} method",
        "Video Playback Buffer Started": PLAYBACK,
        "Video Playback Buffer Completed": PLAYBACK,
        "Video Playback Seek Started": f"{PLAYBACK} seek_position",
        "Video Playback Seek Completed": PLAYBACK,
        "Video Playback Resumed": PLAYBACK,
        "Video Playback Completed": PLAYBACK,
        "Video Playback Exited": PLAYBACK,
        "Video Content Started": CONTENT,
        "Video Content Playing": CONTENT,
        "Video Content Completed": CONTENT,
        "Video Ad Started": AD,
        "Video Ad Playing": f"{AD} quartile",
        "Video Ad Completed": AD,
        "Video Quality Updated": "bitrate framerate startupTime droppedFrames",
    },
    "email": {
        "Email Bounced": MAIL,
        "Email Delivered": MAIL,
        "Email Link Clicked": f"{MAIL} link_id link_url",
        "Email Marked as Spam": MAIL,
        "Email Opened": MAIL,
        "Unsubscribed": f"{MAIL} list_id list_name",
    },
    "live-chat": {
        "Live Chat Conversation Started": CHAT,
        "Live Chat Conversation Ended": CHAT,
        "Live Chat Message Sent": CHAT,
        "Live Chat Message Received": CHAT,
    },
    "ab-testing": {"Experiment Viewed": "experiment_id experiment_name variation_id variation_name"},
    "copilot": {
        "Conversation Started": "conversationId",
        "Message Sent": "conversationId messageId message_body",
        "Message Received": "conversationId messageId message_body",
        "Conversation Ended": "conversationId message_count",
        "Tool Invoked": "conversationId messageId type action",
        "Media Generated": "conversationId messageId type sub_type",
        "Component Loaded": "conversationId messageId type",
        "Feedback Submitted": "conversationId messageId rating",
    },
}
"""By template, by event: its properties."""

BESIDE = {"mobile": {"Push Notification Opened"}}
"""By template, the events that no spec has and recipes send."""

CALLS: list[dict[str, Any]] = [
    json.loads(text) for text in Path(__file__).with_name("first-run.ndjson").read_text("utf-8").splitlines()
]
"""The first calls of newcomers, as the field's tutorials and recipes write them."""

TRAITS = {
    "identify": (
        "address age avatar birthday company createdAt description email firstName gender id lastName name phone title "
        "username website"
    ),
    "group": "address avatar createdAt description email employees id industry name phone plan website",
}
"""The reserved traits by call type."""

USE_CASES: dict[str, str] = {
    "optimize-advertising": (
        "build-high-value-lookalikes build-lookalikes-for-app-install increase-signups-with-lookalikes "
        "mitigate-cart-abandonment mitigate-high-value-churn suppress-based-on-time suppress-with-purchase"
    ),
    "personalize-first-conversion": (
        "accelerate-app-install accelerate-onboarding accelerate-signup acquire-paid-subscriptions "
        "convert-trials-to-paid-subscriptions mitigate-cart-abandonment"
    ),
    "boost-retention": (
        "build-high-value-lookalikes increase-repeat-purchases mitigate-high-value-churn nurture-with-content "
        "personalize-upsell-content personalize-winback"
    ),
    "personalize-communications": (
        "accelerate-onboarding increase-repeat-purchases mitigate-high-value-churn nurture-with-content "
        "personalize-upsell-content personalize-winback"
    ),
}
"""By goal, its use cases."""
