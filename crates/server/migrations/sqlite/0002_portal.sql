-- What the portal looks for: applications by name in any letter case, credentials by their end, refused requests by time, id
-- and correlation id. Issued tokens are the many, and each index that held them would cost every token some 10 µs.

CREATE INDEX applications_by_any_case ON applications (tenant_id, display_name COLLATE NOCASE, object_id);

CREATE TABLE credential_ends (
    tenant_id  TEXT NOT NULL,
    app_id     TEXT NOT NULL,
    object_id  TEXT NOT NULL,
    kind       TEXT NOT NULL,
    key_id     TEXT NOT NULL,
    time       INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, app_id, key_id, kind),
    FOREIGN KEY (tenant_id, app_id) REFERENCES applications (tenant_id, app_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX credential_ends_by_time ON credential_ends (tenant_id, time);
INSERT OR IGNORE INTO credential_ends
    SELECT a.tenant_id, a.app_id, a.object_id, 'certificate', json_extract(k.value, '$.key_id'),
           CAST(strftime('%s', json_extract(k.value, '$.end')) AS INTEGER) * 1000000
    FROM applications a, json_each(a.record, '$.key_credentials') k
    WHERE strftime('%s', json_extract(k.value, '$.end')) IS NOT NULL;
INSERT OR IGNORE INTO credential_ends
    SELECT a.tenant_id, a.app_id, a.object_id, 'secret', json_extract(k.value, '$.key_id'),
           CAST(strftime('%s', json_extract(k.value, '$.end')) AS INTEGER) * 1000000
    FROM applications a, json_each(a.record, '$.password_credentials') k
    WHERE strftime('%s', json_extract(k.value, '$.end')) IS NOT NULL;

ALTER TABLE sign_ins ADD COLUMN error_code INTEGER NOT NULL DEFAULT 0;
UPDATE sign_ins SET error_code = json_extract(record, '$.error_code') WHERE json_extract(record, '$.error_code') <> 0;
CREATE INDEX sign_ins_refused ON sign_ins (tenant_id, time) WHERE error_code <> 0;
CREATE INDEX sign_ins_refused_by_id ON sign_ins (id) WHERE error_code <> 0;
CREATE INDEX sign_ins_refused_by_correlation ON sign_ins (tenant_id, correlation_id) WHERE error_code <> 0;
