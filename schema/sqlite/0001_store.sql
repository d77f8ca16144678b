-- SPDX-License-Identifier: Apache-2.0
-- Everything a single-node store keeps. Blobs named *_sealed are encrypted (core/store/seal.c); the
-- rest is what the store has to search by, and what people may see. Numbers named n are given in the
-- order of insertion, so that tables grow at their end. See docs/store.md.

-- deployment, epoch, key_check.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- The service row is the actor: its active operation, the claim on it and its cursor live here.
CREATE TABLE services (
    n INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    source TEXT NOT NULL,
    external_id TEXT NOT NULL,
    product TEXT,
    plan_name TEXT,
    generation INTEGER NOT NULL,
    observed INTEGER NOT NULL,
    desired INTEGER NOT NULL,
    residue INTEGER NOT NULL,
    max_sequence INTEGER,
    created_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    create_n INTEGER NOT NULL,
    waiting INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    active_n INTEGER NOT NULL,
    active_op BLOB,
    active_type INTEGER NOT NULL,
    active_state INTEGER NOT NULL,
    active_intent INTEGER NOT NULL,
    signaled INTEGER NOT NULL,
    accepted_ms INTEGER NOT NULL,
    deadline_ms INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    due INTEGER,
    wait INTEGER NOT NULL,
    lane TEXT,
    reason TEXT,
    cursor BLOB
) STRICT;
CREATE INDEX services_due ON services (lane, due) WHERE due IS NOT NULL;
CREATE INDEX services_live ON services (active_state, active_n) WHERE active_state <> 0;
CREATE INDEX services_source ON services (source);

-- What only a claim reads of a service.
CREATE TABLE details (
    service_n INTEGER PRIMARY KEY,
    attrs_sealed BLOB,
    composition_sealed BLOB
) STRICT;

-- History: inserted once, pinned at most once, finished once. state is 0 until it is final.
CREATE TABLE operations (
    n INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    service_n INTEGER NOT NULL,
    source TEXT NOT NULL,
    type INTEGER NOT NULL,
    state INTEGER NOT NULL,
    accepted_ms INTEGER NOT NULL,
    finished_ms INTEGER NOT NULL,
    deadline_ms INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    mac BLOB,
    action TEXT,
    product TEXT,
    plan_name TEXT,
    reason TEXT,
    lane TEXT,
    cursor BLOB,
    result_sealed BLOB,
    body_sealed BLOB,
    plan_sealed BLOB
) STRICT;
CREATE INDEX operations_service ON operations (service_n);
CREATE INDEX operations_source ON operations (source);
CREATE INDEX operations_live ON operations (state) WHERE state = 0;
CREATE INDEX operations_failed ON operations (state) WHERE state > 10;

-- What is looked up by a hash: a byte for the kind (1: an event's id with its source, to the operation;
-- 2: a service's id, to its number; 3: scope and name of a value that an instance keeps, to its number in
-- kv_shared), then the hash. Kept when history is pruned. New keys stand in the
-- log first and are merged into the index in its order, since each would dirty a page of its own there.
CREATE TABLE key_index (
    key BLOB PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE key_log (
    n INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    value INTEGER NOT NULL
) STRICT;

-- Only what is blocked: operations behind the active one of their service.
CREATE TABLE waiting (
    service_n INTEGER NOT NULL,
    op_n INTEGER NOT NULL,
    type INTEGER NOT NULL,
    PRIMARY KEY (service_n, op_n)
) STRICT, WITHOUT ROWID;

CREATE TABLE docs (
    service_n INTEGER NOT NULL,
    component TEXT NOT NULL,
    doc_sealed BLOB NOT NULL,
    PRIMARY KEY (service_n, component)
) STRICT, WITHOUT ROWID;

CREATE TABLE steps (
    op_n INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    component TEXT,
    step TEXT,
    instance TEXT,
    kind INTEGER NOT NULL,
    run INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    text TEXT,
    PRIMARY KEY (op_n, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE signals (
    op_n INTEGER NOT NULL,
    name TEXT NOT NULL,
    body_sealed BLOB NOT NULL,
    PRIMARY KEY (op_n, name)
) STRICT, WITHOUT ROWID;

-- Values that plugins keep for a service. One that was deleted keeps its row, so that versions never
-- repeat.
CREATE TABLE kv (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    service_n INTEGER NOT NULL,
    version INTEGER NOT NULL,
    erased INTEGER NOT NULL,
    writer BLOB NOT NULL,
    value_sealed BLOB,
    PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX kv_service ON kv (service_n);

-- Values that plugins keep for an instance; found through key_index. Never removed.
CREATE TABLE kv_shared (
    n INTEGER PRIMARY KEY,
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    erased INTEGER NOT NULL,
    writer BLOB NOT NULL,
    value_sealed BLOB
) STRICT;

-- What an operation reserved, under the key that makes a repeated step get the same.
CREATE TABLE grants (
    op_n INTEGER NOT NULL,
    run INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    component BLOB NOT NULL,
    step BLOB NOT NULL,
    name BLOB NOT NULL,
    number INTEGER NOT NULL,
    value_sealed BLOB,
    PRIMARY KEY (op_n, run, kind, component, step, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE pools (
    pool TEXT PRIMARY KEY,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    next INTEGER NOT NULL,
    used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row for every value of a pool that was ever given out. state: 1 held, 2 cooling, 3 rejected.
CREATE TABLE slots (
    pool TEXT NOT NULL,
    idx INTEGER NOT NULL,
    state INTEGER NOT NULL,
    free_ms INTEGER NOT NULL,
    reuse_after_ms INTEGER NOT NULL,
    service_n INTEGER NOT NULL,
    op_n INTEGER NOT NULL,
    run INTEGER NOT NULL,
    component TEXT,
    step TEXT,
    name TEXT,
    PRIMARY KEY (pool, idx)
) STRICT, WITHOUT ROWID;
CREATE INDEX slots_cooling ON slots (pool, free_ms, idx) WHERE state = 2;
CREATE INDEX slots_holder ON slots (service_n) WHERE service_n <> 0;

CREATE TABLE quotas (
    service_n INTEGER NOT NULL,
    name TEXT NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (service_n, name)
) STRICT, WITHOUT ROWID;

-- A hash chain: each record's hash covers the one before it.
CREATE TABLE audit (
    n INTEGER PRIMARY KEY,
    writer INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    actor TEXT,
    what TEXT NOT NULL,
    source TEXT,
    detail TEXT,
    service BLOB,
    op BLOB,
    digest BLOB,
    hash BLOB NOT NULL,
    service_n INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_service ON audit (service_n) WHERE service_n <> 0;

-- Notifications that wait to be delivered. Numbers are never used again.
CREATE TABLE outbox (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    op BLOB NOT NULL,
    service BLOB NOT NULL,
    op_state INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    body_sealed BLOB NOT NULL
) STRICT;

CREATE TABLE tokens (
    id BLOB PRIMARY KEY,
    source TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    revoked_ms INTEGER NOT NULL,
    secret_hash BLOB NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;

CREATE TABLE paused (
    instance TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
