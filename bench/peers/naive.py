"""The script that one would write first: fetch every message, parse every message, keep what fits.

python naive.py PORT DATABASE
"""

from __future__ import annotations

import re
import sys

import imapclient
import mailparser
import sqlite_utils

client = imapclient.IMAPClient("127.0.0.1", int(sys.argv[1]), ssl=False)
client.login("bench", "secret")
client.select_folder("INBOX", readonly=True)
database = sqlite_utils.Database(sys.argv[2])
uids = client.search("ALL")
for start in range(0, len(uids), 50):
    for uid, item in client.fetch(uids[start : start + 50], ["BODY.PEEK[]"]).items():
        mail = mailparser.parse_from_bytes(item[b"BODY[]"])
        text = " ".join(re.sub("<[^>]*>", " ", mail.body).split())
        if "authorization will expire" in (mail.subject or "") and (
            found := re.search(r"Developer ID\s*:\s*(\d{12})", text)
        ):
            database["tasks"].insert({"uid": uid, "developer_id": found[1], "title": mail.subject})
client.logout()
