-- SPDX-License-Identifier: Apache-2.0
-- Notifications that wait to be delivered, and who gets them.

DROP TABLE outbox;

-- One row for each subscriber that is told. due_ms is null behind another row of the same subscriber and
-- service, and when it was given up (undelivered). Numbers are never used again.
CREATE TABLE outbox (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    subscriber TEXT NOT NULL,
    service_n INTEGER NOT NULL,
    audit_n INTEGER NOT NULL,
    type INTEGER NOT NULL,
    op BLOB NOT NULL,
    service BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    due_ms INTEGER,
    attempts INTEGER NOT NULL,
    undelivered INTEGER NOT NULL,
    error TEXT,
    body_sealed BLOB NOT NULL
) STRICT;
CREATE INDEX outbox_due ON outbox (subscriber, due_ms, n) WHERE due_ms IS NOT NULL;
CREATE INDEX outbox_chain ON outbox (subscriber, service_n, n) WHERE undelivered = 0;
CREATE INDEX outbox_undelivered ON outbox (subscriber, n) WHERE undelivered <> 0;

-- since_n is the audit record from behind which on it is told.
CREATE TABLE subscribers (
    name TEXT PRIMARY KEY,
    since_n INTEGER NOT NULL,
    disabled_ms INTEGER NOT NULL,
    reason TEXT,
    written INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    undelivered INTEGER NOT NULL,
    delivered_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
