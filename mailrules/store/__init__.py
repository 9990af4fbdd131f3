"""What is kept: one SQLite file.

In: Ingest values, message keys, outcomes. Out: Store, Claim, Cursor, StoredMessage.
May not live here: anything but the names that others import.
"""

from mailrules.store.outbox import Claim
from mailrules.store.rows import Cursor, StoredMessage
from mailrules.store.sqlite import Store

__all__ = ["Claim", "Cursor", "Store", "StoredMessage"]
