"""Look whether any of many accounts has anything new, one after another: python one_by_one.py PORT USER …"""

from __future__ import annotations

import sys

import imapclient

for user in sys.argv[2:]:
    client = imapclient.IMAPClient("127.0.0.1", int(sys.argv[1]), ssl=False)
    client.login(user, "secret")
    client.select_folder("INBOX", readonly=True)
    client.search(["UID", "100000:*"])
    client.logout()
