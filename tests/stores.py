"""Stores that tests ask for in passing.

In: a store just opened. Out: the same. May not live here: what is in it.
"""

from __future__ import annotations

import weakref

from mailrules.store import Store


def lent(store: Store) -> Store:
    """Return a store that is closed once nobody holds it any more."""
    weakref.finalize(store, store._connection.close)
    return store
