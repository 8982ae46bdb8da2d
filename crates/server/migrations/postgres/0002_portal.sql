-- What the portal looks for: applications by name in any letter case, credentials by their end, refused requests by time, id
-- and correlation id. Issued tokens are the many, and each index that held them would cost every token.

CREATE INDEX applications_by_any_case ON applications (tenant_id, lower(display_name), object_id);

CREATE TABLE credential_ends (
    tenant_id  TEXT NOT NULL,
    app_id     TEXT NOT NULL,
    object_id  TEXT NOT NULL,
    kind       TEXT NOT NULL,
    key_id     TEXT NOT NULL,
    time       BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, app_id, key_id, kind),
    FOREIGN KEY (tenant_id, app_id) REFERENCES applications (tenant_id, app_id) ON DELETE CASCADE
);
CREATE INDEX credential_ends_by_time ON credential_ends (tenant_id, time);

ALTER TABLE sign_ins ADD COLUMN error_code BIGINT NOT NULL DEFAULT 0;
CREATE INDEX sign_ins_refused ON sign_ins (tenant_id, time) WHERE error_code <> 0;
CREATE INDEX sign_ins_refused_by_id ON sign_ins (id) WHERE error_code <> 0;
CREATE INDEX sign_ins_refused_by_correlation ON sign_ins (tenant_id, correlation_id) WHERE error_code <> 0;
