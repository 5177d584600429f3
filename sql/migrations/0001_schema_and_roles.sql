-- Whoever runs the migrations owns everything in this schema; the gateway never logs in as that role.
-- The two roles that it does log in as hold no password here: who runs the database sets them.

do $$
begin
  if current_setting('server_encoding') <> 'UTF8' then
    raise exception 'the audit database must be encoded in UTF8, because leaf hashes are over UTF-8 bytes';
  end if;
  if (select nspowner from pg_namespace where nspname = 'audit') <> current_user::regrole then
    raise exception 'schema audit belongs to another role than %', current_user;
  end if;
end
$$;

do $$
declare
  v_role text;
begin
  foreach v_role in array array['audit_writer', 'audit_reader'] loop
    if not exists (select from pg_roles where rolname = v_role) then
      begin
        execute format('create role %I', v_role);
      exception
        -- Roles belong to the whole cluster, so a migration of another database may have come first.
        when duplicate_object or unique_violation then null;
      end;
    end if;
  end loop;
end
$$;

revoke all on schema audit from public;
grant usage on schema audit to audit_writer, audit_reader;

-- RFC 6962 section 2.1: SHA-256 over 0x00 and the leaf's bytes. Written in the parsed form, so that no
-- search_path can give its names another meaning. Declared IMMUTABLE although convert_to() is STABLE: the
-- encoding of a database never changes, and this one is UTF8.
create function audit.leaf_hash(p_text text) returns bytea
  language sql immutable strict parallel safe
  return sha256('\x00'::bytea || convert_to(p_text, 'UTF8'));

-- The time of a record. A time that no clock can have had is a fault of the record (class 22), not of a missing
-- partition (class 23), so that it is set aside and does not hold up the records behind it.
create function audit.record_time(p_canonical text) returns timestamptz
  language plpgsql immutable strict parallel safe
  set search_path = pg_catalog, audit, pg_temp
as $$
declare
  v_ms bigint := (p_canonical::jsonb ->> 'time')::bigint;
begin
  if v_ms is null or v_ms not between 1577836800000 and 4102444799999 then
    raise exception 'the time of the record is missing or not between 2020 and 2099'
      using errcode = 'datetime_field_overflow';
  end if;
  return to_timestamp(v_ms / 1000.0);
end
$$;

create function audit.refuse_change() returns trigger
  language plpgsql
  set search_path = pg_catalog, audit, pg_temp
as $$
begin
  raise exception '% on %.%: the audit log is append-only', tg_op, tg_table_schema, tg_table_name
    using errcode = 'insufficient_privilege';
end
$$;
