-- The copy of the personal vaults: values under their tokens, encrypted with a key that the database never sees, so that
-- an auditor who has the key can resolve tokens without the gateway. A row goes when its value is erased.

create table audit.personal (
  tenant text collate "C" not null,
  token text collate "C" not null check (token ~ '^p1\.[A-Za-z0-9_-]{22}$'),
  kid text not null,
  jwe text not null,
  stored_at timestamptz not null default now(),
  primary key (tenant, token)
);
create index personal_kid on audit.personal (kid);

-- Tokens that stand for nothing any more, so that a copy that was on its way when its value was erased, and arrives late,
-- is not kept.
create table audit.erased_token (
  tenant text collate "C" not null,
  token text collate "C" not null,
  erased_at timestamptz not null default now(),
  primary key (tenant, token)
);
create trigger append_only before update or delete or truncate on audit.erased_token
  for each statement execute function audit.refuse_change();
alter table audit.erased_token enable always trigger append_only;
alter table audit.erased_token enable row level security;

-- Keys of pseudonyms that may be used no more: whoever has one can confirm a guessed value.
create table audit.retired_key (
  key_id text primary key check (key_id ~ '^[A-Za-z0-9_-]{1,16}$'),
  request_id text not null,
  retired_at timestamptz not null default now()
);
create trigger append_only before update or delete or truncate on audit.retired_key
  for each statement execute function audit.refuse_change();
alter table audit.retired_key enable always trigger append_only;

alter table audit.personal enable row level security;
create policy tenant_of_session on audit.personal for select to audit_reader
  using (tenant = current_setting('audit.tenant', true));
grant select on audit.personal, audit.retired_key to audit_reader;

-- Stores rows {token, kid, jwe} of a tenant, and removes those of tokens that were erased.
create function audit.copy_personal(p_tenant text, p_rows jsonb, p_erased jsonb) returns void
  language plpgsql security definer
  set search_path = pg_catalog, audit, pg_temp
as $$
begin
  if p_tenant is null or jsonb_typeof(p_rows) <> 'array' or jsonb_typeof(p_erased) <> 'array' then
    raise exception 'p_rows and p_erased are not arrays' using errcode = 'invalid_parameter_value';
  end if;
  -- One at a time: of two that cross, neither would see what the other does.
  perform pg_advisory_xact_lock(hashtextextended('audit.personal ' || p_tenant, 0));
  insert into audit.erased_token (tenant, token)
    select p_tenant, jsonb_array_elements_text(p_erased) on conflict do nothing;
  insert into audit.personal (tenant, token, kid, jwe)
    select p_tenant, r.token, r.kid, r.jwe
    from jsonb_to_recordset(p_rows) as r (token text, kid text, jwe text)
    where not exists (select from audit.erased_token e where e.tenant = p_tenant and e.token = r.token)
    on conflict (tenant, token) do update set kid = excluded.kid, jwe = excluded.jwe, stored_at = now();
  delete from audit.personal p
    where p.tenant = p_tenant and p.token in (select jsonb_array_elements_text(p_erased));
end
$$;

-- Tenants whose values are under another key than this one.
create function audit.tenants_to_rekey(p_kid text) returns table (tenant text)
  language sql stable security definer
  set search_path = pg_catalog, audit, pg_temp
as $$
  select distinct p.tenant from audit.personal p where p.kid <> p_kid limit 100
$$;

create function audit.retire_key(p_key_id text, p_request_id text) returns void
  language sql security definer
  set search_path = pg_catalog, audit, pg_temp
as $$
  insert into audit.retired_key (key_id, request_id) values (p_key_id, p_request_id) on conflict do nothing
$$;

revoke all on function audit.copy_personal(text, jsonb, jsonb), audit.tenants_to_rekey(text),
  audit.retire_key(text, text) from public;
grant execute on function audit.copy_personal(text, jsonb, jsonb), audit.tenants_to_rekey(text),
  audit.retire_key(text, text) to audit_writer;
