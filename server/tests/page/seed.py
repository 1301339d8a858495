"""Makes many tenants of the one in a store that nobody has: they are as if they ran, and nobody looks after them."""

import sqlite3
import sys

path, count = sys.argv[1], int(sys.argv[2])
store = sqlite3.connect(path)
store.execute("CREATE TEMP TABLE many AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
              "SELECT i, printf('tenant-%06d', i) AS id FROM n", [count])


def clone(table, key):
    columns = [row[1] for row in store.execute(f"PRAGMA table_info({table})") if row[1] != key]
    named, of_one = ", ".join(columns), ", ".join(f"one.{column}" for column in columns)
    store.execute(f"INSERT INTO {table} ({key}, {named}) "
                  f"SELECT many.id, {of_one} FROM {table} AS one, many WHERE one.{key} = 'seed'")


clone("tenants", "id")
clone("specs", "tenant")
store.execute("UPDATE specs SET body_json = replace(body_json, '\"seed\"', '\"' || tenant || '\"')")
for health, each in [("unhealthy", 9973), ("unknown", 4999)]:
    store.execute("UPDATE tenants SET health = ? WHERE id IN (SELECT id FROM many WHERE i % ? = 0)", [health, each])
store.commit()
