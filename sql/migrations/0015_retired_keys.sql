-- A key of pseudonyms is retired for one tenant: its administrator must not end the search of another's. What was retired
-- before this, for all of them, stays so, in rows without a tenant.

alter table audit.retired_key drop constraint retired_key_pkey;
alter table audit.retired_key add column tenant text collate "C";
create unique index retired_key_once on audit.retired_key (key_id, coalesce(tenant, ''));

alter table audit.retired_key enable row level security;
create policy tenant_of_session on audit.retired_key for select to audit_reader
  using (tenant is null or tenant = current_setting('audit.tenant', true));

drop function audit.retire_key(text, text);

create function audit.retire_key(p_tenant text, p_key_id text, p_request_id text) returns void
  language plpgsql security definer
  set search_path = pg_catalog, audit, pg_temp
as $$
begin
  if p_tenant is null then
    raise exception 'p_tenant is missing' using errcode = 'invalid_parameter_value';
  end if;
  insert into audit.retired_key (tenant, key_id, request_id) values (p_tenant, p_key_id, p_request_id)
    on conflict do nothing;
end
$$;

revoke all on function audit.retire_key(text, text, text) from public;
grant execute on function audit.retire_key(text, text, text) to audit_writer;
