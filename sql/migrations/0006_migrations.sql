-- So that a deployment can be checked with the gateway's own logins, which may not read the table itself.
create function audit.migrations() returns setof text
  language sql stable security definer
  set search_path = pg_catalog, audit, pg_temp
as $$
  select m.name::text from audit.migration m order by m.id
$$;

revoke all on function audit.migrations() from public;
grant execute on function audit.migrations() to audit_writer, audit_reader;
