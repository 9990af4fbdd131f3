"""mailrules watches an inbox for notices that an authorization is about to lapse, and acts on them."""

__version__ = "0.1.0"
