# SPDX-License-Identifier: GPL-2.0-or-later
"""Works with its heap and a data base for so many seconds."""

import json
import sqlite3
import sys
import time

end = time.time() + float(sys.argv[1])
db = sqlite3.connect(":memory:")
db.execute("create table t(a integer primary key, b text)")
kept = {}
n = 0
while time.time() < end:
    n += 1
    db.execute("insert or replace into t values(?, ?)", (n % 500, "x" * (n % 300)))
    kept[n % 2000] = {"a": [n, str(n)], "b": "y" * (n % 100)}
    if n % 50 == 0:
        json.loads(json.dumps(list(kept.values())[:20]))
    if n % 7 == 0:
        db.execute("delete from t where a = ?", (n % 300,))
