import * as z from 'zod';

/** How far a control is met by this software: wholly, in part, not at all because it is the customer's, or not yet. */
export const STATES = ['carried', 'partly', 'customer', 'not_yet'] as const;
export type State = (typeof STATES)[number];

const text = z.string().trim().min(1);

const test = z.strictObject({
  /** Path of the test file, from the top of the repository. */
  file: text.regex(/\.test\.ts$/, 'is no test file'),
  /** The title of a test or of a group of them, or a part of it. */
  title: text,
  /** A row of that test's table, when the title stands for many: a text that the file holds between quotes. */
  row: text.optional(),
});

const evidence = {
  /** `path`, or `path#symbol` for something that is declared in it. */
  code: z.array(text).min(1),
  tests: z.array(test).min(1),
};

const FIELDS = { id: text, title: text, says: text };

/** Evidence stands where something is carried, and nowhere else: beside a customer's duty it would be a claim. */
const stated = <S extends z.ZodRawShape>(shape: S) =>
  z.union([
    z.strictObject({ ...shape, state: z.enum(['carried', 'partly']), ...evidence }),
    z.strictObject({ ...shape, state: z.enum(['customer', 'not_yet']) }),
  ]);

const soc2 = stated(FIELDS);
const iso27001 = stated({
  ...FIELDS,
  /** The controls of the 2013 edition that it continues; `new` when there was none. */
  was: z.union([z.literal('new'), z.array(text).min(1)]),
});
const hipaa = stated({
  ...FIELDS,
  kind: z.enum(['standard', 'required', 'addressable']),
});

const controlsSchema = z.strictObject({
  soc2: z.array(soc2),
  iso27001: z.array(iso27001),
  hipaa: z.array(hipaa),
});

const stop = z.strictObject({ says: text, ...evidence });
const threat = z.strictObject({
  id: text,
  title: text,
  attack: text,
  stops: z.array(stop).min(1),
  /** The residual risk: what is left to somebody else, or to nobody. */
  left: text,
});

const threatsSchema = z
  .strictObject({
    zones: z.array(z.strictObject({ id: text, name: text, trust: text })),
    parties: z.array(z.strictObject({ id: text, name: text, zone: text, holds: text })),
    flows: z.array(z.strictObject({ id: text, from: text, to: text, data: text, protection: text })),
    threats: z.array(threat),
    abuse: z.array(threat.extend({ threats: z.array(text).min(1) })),
  })
  .superRefine(({ zones, parties, flows, threats, abuse }, context) => {
    const wants = (where: string, ids: readonly string[], known: readonly { readonly id: string }[]) => {
      for (const id of ids.filter((name) => !known.some((entry) => entry.id === name))) {
        context.addIssue({ code: 'custom', message: `${where} names ${id}, which is not there` });
      }
    };
    for (const { id, zone } of parties) wants(id, [zone], zones);
    for (const { id, from, to } of flows) wants(id, [from, to], parties);
    for (const entry of abuse) wants(entry.id, entry.threats, threats);
  });

export type Evidence = { readonly code: readonly string[]; readonly tests: readonly z.infer<typeof test>[] };
export type Controls = z.infer<typeof controlsSchema>;
export type Framework = keyof Controls;
export type Control = Controls[Framework][number];
export type Threats = z.infer<typeof threatsSchema>;
export type Threat = z.infer<typeof threat>;

/** The rows of `compliance/controls.json`. @throws ZodError that names every row that is not well-formed. */
export function readControls(json: unknown): Controls {
  return controlsSchema.parse(json);
}

/** The rows of `compliance/threats.json`. @throws ZodError, also for a reference to something that is not there. */
export function readThreats(json: unknown): Threats {
  return threatsSchema.parse(json);
}

/** The evidence of a control, or `undefined` where none is claimed. */
export function evidenceOf(control: Control): Evidence | undefined {
  return control.state === 'carried' || control.state === 'partly' ? control : undefined;
}

/** How many controls are in each state. */
export function countStates(controls: readonly Control[]): { readonly [S in State]: number } {
  const count = (state: State) => controls.filter((control) => control.state === state).length;
  return {
    carried: count('carried'),
    partly: count('partly'),
    customer: count('customer'),
    not_yet: count('not_yet'),
  };
}
