import { expect, it } from 'vitest';
import { readControls } from '../scripts/lib/compliance.ts';
import { controlsText } from '../scripts/lib/compliance-text.ts';
import controls from './controls.json' with { type: 'json' };

// controls-mapping.md is made from the rows: `npm run docs` writes it, and this test fails when it is stale.
it('compliance/controls-mapping.md is what the rows say', async () => {
  await expect(controlsText(readControls(controls))).toMatchFileSnapshot('controls-mapping.md');
});
