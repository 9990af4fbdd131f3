CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);

CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");

CREATE TABLE "meta" (
   "key" TEXT PRIMARY KEY,
   "value" TEXT,
   "updated" TEXT
) STRICT;

CREATE TABLE "cursors" (
   "account" TEXT,
   "mailbox" TEXT,
   "uidvalidity" INTEGER,
   "uid" INTEGER,
   "updated" TEXT,
   PRIMARY KEY ("account", "mailbox")
) STRICT;

CREATE TABLE "places" (
   "account" TEXT,
   "mailbox" TEXT,
   "uidvalidity" INTEGER,
   "uid" INTEGER,
   "status" TEXT NOT NULL,
   "digest" TEXT NOT NULL DEFAULT '',
   "reason" TEXT NOT NULL DEFAULT '',
   "attempts" INTEGER NOT NULL DEFAULT 0,
   "updated" TEXT, "tries" INTEGER NOT NULL DEFAULT 0,
   PRIMARY KEY ("account", "mailbox", "uidvalidity", "uid")
) STRICT;

CREATE INDEX "idx_places_status"
    ON "places" ("status");

CREATE TABLE "contents" (
   "digest" TEXT PRIMARY KEY,
   "content" BLOB NOT NULL
) STRICT;

CREATE TABLE "messages" (
   "id" INTEGER PRIMARY KEY,
   "digest" TEXT NOT NULL,
   "account" TEXT NOT NULL,
   "mailbox" TEXT,
   "uidvalidity" INTEGER,
   "uid" INTEGER,
   "source" TEXT,
   "media_type" TEXT,
   "message_id" TEXT,
   "subject" TEXT,
   "received_at" TEXT,
   "reason" TEXT,
   "trust" TEXT,
   "notices" TEXT,
   "decisions" TEXT,
   "stored_at" TEXT
) STRICT;

CREATE UNIQUE INDEX "idx_messages_digest"
    ON "messages" ("digest");

CREATE INDEX "idx_messages_message_id"
    ON "messages" ("message_id");

CREATE TABLE "authorizations" (
   "id" TEXT PRIMARY KEY,
   "account" TEXT,
   "system" TEXT,
   "developer_id" TEXT,
   "developer" TEXT,
   "region" TEXT,
   "expires" TEXT,
   "assumed" INTEGER,
   "revoked" INTEGER,
   "first_seen" TEXT
, "source" TEXT NOT NULL DEFAULT '', "trust" TEXT NOT NULL DEFAULT '', "told" TEXT NOT NULL DEFAULT '', "acted_on" TEXT NOT NULL DEFAULT '', "settled_at" TEXT NOT NULL DEFAULT '', "proof" TEXT NOT NULL DEFAULT '', "snoozed" TEXT NOT NULL DEFAULT '', "linked" TEXT NOT NULL DEFAULT '', "endless" INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE TABLE "obligations" (
   "authorization" TEXT REFERENCES "authorizations"("id"),
   "due" TEXT,
   "dated" INTEGER,
   "state" TEXT,
   "trust" TEXT,
   "notice" TEXT,
   "message" TEXT,
   "reminders" INTEGER,
   "opened" TEXT,
   "closed" TEXT,
   "history" INTEGER, "source" TEXT NOT NULL DEFAULT '', "grade" TEXT NOT NULL DEFAULT '', "proof" TEXT NOT NULL DEFAULT '', "noticed" TEXT NOT NULL DEFAULT '', "written" TEXT NOT NULL DEFAULT '', "origin" TEXT NOT NULL DEFAULT '',
   PRIMARY KEY ("authorization", "due")
) STRICT;

CREATE TABLE "events" (
   "id" INTEGER PRIMARY KEY,
   "authorization" TEXT,
   "due" TEXT,
   "at" TEXT,
   "what" TEXT,
   "detail" TEXT
) STRICT;

CREATE INDEX "idx_events_authorization"
    ON "events" ("authorization");

CREATE TABLE "effects" (
   "key" TEXT PRIMARY KEY,
   "id" TEXT NOT NULL,
   "account" TEXT,
   "rule" TEXT,
   "action" TEXT,
   "target" TEXT,
   "stage" TEXT,
   "authorization" TEXT,
   "due" TEXT,
   "args" TEXT,
   "retry" TEXT,
   "not_before" TEXT,
   "state" TEXT NOT NULL,
   "attempts" INTEGER NOT NULL,
   "lease" TEXT,
   "batch" TEXT,
   "first_tried" TEXT,
   "why" TEXT,
   "output" TEXT,
   "created" TEXT,
   "updated" TEXT
) STRICT;

CREATE UNIQUE INDEX "idx_effects_id"
    ON "effects" ("id");

CREATE INDEX "idx_effects_state_not_before"
    ON "effects" ("state", "not_before");

CREATE TABLE "tasks" (
   "id" INTEGER PRIMARY KEY,
   "effect" TEXT REFERENCES "effects"("key"),
   "title" TEXT,
   "due" TEXT,
   "status" TEXT,
   "rule" TEXT,
   "authorization" TEXT,
   "account" TEXT,
   "body" TEXT,
   "created" TEXT,
   "done_at" TEXT,
   "obligation" TEXT
) STRICT;

CREATE INDEX "idx_tasks_status"
    ON "tasks" ("status");

CREATE TABLE "heartbeats" (
   "account" TEXT PRIMARY KEY,
   "succeeded" TEXT NOT NULL,
   "failed" TEXT NOT NULL,
   "code" INTEGER NOT NULL,
   "error" TEXT NOT NULL,
   "updated" TEXT NOT NULL
) STRICT;

CREATE TABLE "senders" (
   "system" TEXT,
   "address" TEXT,
   "level" TEXT,
   "seen" INTEGER,
   "first_seen" TEXT,
   "last_seen" TEXT,
   "reason" TEXT,
   PRIMARY KEY ("system", "address", "level")
) STRICT;

CREATE TABLE "verdicts" (
   "digest" TEXT PRIMARY KEY,
   "result" TEXT,
   "domain" TEXT,
   "reason" TEXT
) STRICT;

CREATE TABLE "trusted" (
   "kind" TEXT,
   "system" TEXT,
   "value" TEXT,
   "at" TEXT,
   PRIMARY KEY ("kind", "system", "value")
) STRICT;

CREATE TRIGGER quiet_authorizations_insert AFTER INSERT ON authorizations BEGIN DELETE FROM meta WHERE key = 'quiet'; END;

CREATE TRIGGER quiet_obligations_insert AFTER INSERT ON obligations BEGIN DELETE FROM meta WHERE key = 'quiet'; END;

CREATE TRIGGER quiet_effects_insert AFTER INSERT ON effects BEGIN DELETE FROM meta WHERE key = 'quiet'; END;

CREATE TRIGGER quiet_places_insert AFTER INSERT ON places WHEN new.status NOT IN ('passed over', 'stored', 'reading') BEGIN DELETE FROM meta WHERE key = 'quiet'; END;

CREATE TRIGGER quiet_authorizations_update AFTER UPDATE ON authorizations BEGIN DELETE FROM meta WHERE key = 'quiet'; END;

CREATE TRIGGER quiet_obligations_update AFTER UPDATE ON obligations BEGIN DELETE FROM meta WHERE key = 'quiet'; END;

CREATE TRIGGER quiet_effects_update AFTER UPDATE ON effects BEGIN DELETE FROM meta WHERE key = 'quiet'; END;

CREATE TRIGGER quiet_places_update AFTER UPDATE ON places WHEN new.status NOT IN ('passed over', 'stored', 'reading') BEGIN DELETE FROM meta WHERE key = 'quiet'; END;

CREATE TRIGGER quiet_authorizations_delete AFTER DELETE ON authorizations BEGIN DELETE FROM meta WHERE key = 'quiet'; END;

CREATE TRIGGER quiet_obligations_delete AFTER DELETE ON obligations BEGIN DELETE FROM meta WHERE key = 'quiet'; END;

CREATE TRIGGER quiet_effects_delete AFTER DELETE ON effects BEGIN DELETE FROM meta WHERE key = 'quiet'; END;

CREATE TRIGGER quiet_places_delete AFTER DELETE ON places BEGIN DELETE FROM meta WHERE key = 'quiet'; END;

CREATE INDEX "idx_effects_authorization_action"
    ON "effects" ("authorization", "action");

CREATE INDEX "idx_effects_rule_state_created"
    ON "effects" ("rule", "state", "created");

CREATE INDEX "idx_effects_state_created"
    ON "effects" ("state", "created");

CREATE INDEX "idx_tasks_authorization"
    ON "tasks" ("authorization");

INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('mailrules', '0001_first', 'made new');

INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('mailrules', '0002_evidence', 'made new');

INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('mailrules', '0003_care', 'made new');

INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('mailrules', '0004_senders', 'made new');

INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('mailrules', '0005_quiet', 'made new');

INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('mailrules', '0006_looking', 'made new')
