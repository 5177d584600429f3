import { expect, it } from 'vitest';
import { readThreats } from '../scripts/lib/compliance.ts';
import { threatsText } from '../scripts/lib/compliance-text.ts';
import threats from './threats.json' with { type: 'json' };

// threat-model.md is made from the rows: `npm run docs` writes it, and this test fails when it is stale.
it('compliance/threat-model.md is what the rows say', async () => {
  await expect(threatsText(readThreats(threats))).toMatchFileSnapshot('threat-model.md');
});
