-- The directory, keys, audit, sign-ins and used assertions. `record` columns hold the whole object as JSON; the columns
-- beside them exist to be searched. Times are microseconds since 1970.

CREATE TABLE directory (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    version  INTEGER NOT NULL
) STRICT;
INSERT INTO directory (one, version) VALUES (1, 0);

CREATE TABLE settings (
    name   TEXT PRIMARY KEY,
    value  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tenants (
    position  INTEGER PRIMARY KEY AUTOINCREMENT,
    id        TEXT NOT NULL UNIQUE,
    record    TEXT NOT NULL
) STRICT;

CREATE TABLE domains (
    name       TEXT PRIMARY KEY,
    tenant_id  TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE applications (
    tenant_id     TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    app_id        TEXT NOT NULL,
    object_id     TEXT NOT NULL,
    display_name  TEXT NOT NULL,
    version       INTEGER NOT NULL,
    record        TEXT NOT NULL,
    PRIMARY KEY (tenant_id, app_id)
) STRICT;
CREATE UNIQUE INDEX applications_by_object ON applications (tenant_id, object_id);
CREATE INDEX applications_by_name ON applications (tenant_id, display_name);

CREATE TABLE identifier_uris (
    tenant_id  TEXT NOT NULL,
    uri        TEXT NOT NULL,
    app_id     TEXT NOT NULL,
    PRIMARY KEY (tenant_id, uri),
    FOREIGN KEY (tenant_id, app_id) REFERENCES applications (tenant_id, app_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX identifier_uris_by_app ON identifier_uris (tenant_id, app_id);

CREATE TABLE deleted_applications (
    tenant_id  TEXT NOT NULL,
    app_id     TEXT NOT NULL,
    time       INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, app_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE service_principals (
    tenant_id     TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    app_id        TEXT NOT NULL,
    object_id     TEXT NOT NULL,
    display_name  TEXT NOT NULL,
    version       INTEGER NOT NULL,
    record        TEXT NOT NULL,
    PRIMARY KEY (tenant_id, app_id)
) STRICT;
CREATE UNIQUE INDEX service_principals_by_object ON service_principals (tenant_id, object_id);
CREATE INDEX service_principals_by_name ON service_principals (tenant_id, display_name);

CREATE TABLE role_assignments (
    tenant_id     TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id            TEXT NOT NULL,
    principal_id  TEXT NOT NULL,
    resource_id   TEXT NOT NULL,
    app_role_id   TEXT NOT NULL,
    value         TEXT NOT NULL,
    created       INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, principal_id, resource_id, app_role_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX role_assignments_by_id ON role_assignments (tenant_id, id);
CREATE INDEX role_assignments_by_resource ON role_assignments (tenant_id, resource_id);

CREATE TABLE signing_keys (
    kid              TEXT PRIMARY KEY,
    alg              TEXT NOT NULL,
    certificate      BLOB NOT NULL,
    sealed_key       BLOB NOT NULL,
    created          INTEGER NOT NULL,
    signs_from       INTEGER NOT NULL,
    published_until  INTEGER
) STRICT;

CREATE TABLE audits (
    tenant_id       TEXT NOT NULL,
    time            INTEGER NOT NULL,
    id              TEXT NOT NULL,
    correlation_id  TEXT NOT NULL,
    target_id       TEXT NOT NULL,
    record          TEXT NOT NULL,
    PRIMARY KEY (tenant_id, time, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE sign_ins (
    number          INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id       TEXT NOT NULL,
    time            INTEGER NOT NULL,
    id              TEXT NOT NULL,
    correlation_id  TEXT NOT NULL,
    app_id          TEXT NOT NULL,
    record          TEXT NOT NULL
) STRICT;
CREATE INDEX sign_ins_by_time ON sign_ins (tenant_id, time);

CREATE TABLE used_assertions (
    client  TEXT NOT NULL,
    jti     TEXT NOT NULL,
    until   INTEGER NOT NULL,
    PRIMARY KEY (client, jti)
) STRICT, WITHOUT ROWID;
CREATE INDEX used_assertions_by_end ON used_assertions (until);
