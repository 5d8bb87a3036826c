-- Rows and indexes that come and go; sqlite3 reads it again and again.
CREATE TABLE IF NOT EXISTS t(a INTEGER PRIMARY KEY, b TEXT, c BLOB);
CREATE INDEX IF NOT EXISTS i ON t(b);
WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 300)
INSERT INTO t(b, c) SELECT printf('%d of %s', x, hex(randomblob(20))), randomblob(x) FROM n;
.output /dev/null
SELECT count(*), max(length(b)), group_concat(substr(b, 1, 5)) FROM t GROUP BY length(c) ORDER BY 3;
SELECT json_group_array(b) FROM t WHERE a % 7 = 0;
DELETE FROM t WHERE a % 3 = 0;
DROP INDEX i;
