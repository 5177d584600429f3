import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { unstable_readConfig } from 'wrangler';

const config = fileURLToPath(new URL('../../wrangler.toml', import.meta.url));

/** What an environment may differ in: its name and its variables' values. */
function comparable(env?: string) {
  const {
    durable_objects,
    migrations,
    triggers,
    compatibility_date,
    compatibility_flags,
    rules,
    main,
    vars,
  } = unstable_readConfig({ config, ...(env ? { env } : {}) });
  return {
    durable_objects,
    migrations,
    triggers,
    compatibility_date,
    compatibility_flags,
    rules,
    main,
    vars: Object.keys(vars).sort(),
  };
}

it('[env.dev] repeats every binding of production', () => {
  expect(comparable('dev')).toEqual(comparable());
});

it('the top level is production, on the edge', () => {
  const { vars, name, workers_dev, durable_objects, migrations, build } = unstable_readConfig({ config });
  expect(name).toBe('mem0-governance');
  expect(vars).toEqual({ ENVIRONMENT: 'production', TRANSPORT: 'edge' });
  expect(workers_dev).toBe(false);
  expect(build.command).toBe('node scripts/run.cjs deployable');
  expect(unstable_readConfig({ config, env: 'dev' }).build.command).toBe('');
  const classes = durable_objects.bindings
    .map((binding: { class_name: string }) => binding.class_name)
    .sort();
  expect(
    migrations
      .flatMap((migration: { new_sqlite_classes?: string[] }) => migration.new_sqlite_classes ?? [])
      .sort(),
  ).toEqual(classes);
});
