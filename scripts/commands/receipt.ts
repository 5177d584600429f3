import { CommandError, command } from '../lib/command.ts';
import { readKeyFiles, readText, verifyReceipt } from '../lib/receipt.ts';

const EXIT_CODES = { good: 0, bad: 1, unchecked: 2 } as const;

await command({
  usage: 'npm run -s receipt --',
  summary:
    'Checks a receipt offline: that its record is the one that was hashed, that it is in the log that a checkpoint ' +
    'speaks of, and that a key which you have from elsewhere signed that checkpoint. Keys of witnesses may be given, too.',
  positionals: ['verify', 'FILE'],
  options: {
    key: { type: 'string', value: 'VKEY', multiple: true, help: 'a verifier key; may be repeated' },
    keys: { type: 'string', value: 'FILE', help: 'a file of verifier keys, separated by white space' },
  },
  exitCodes: { 0: 'good', 1: 'bad', 2: 'could not be checked' },
  async run({ key, keys }, [verb, file], io) {
    if (verb !== 'verify' || file === undefined) throw new CommandError('Say `verify` and a file.', 2);
    const given = await readKeyFiles(key as string[] | undefined, keys as string | undefined);
    if (given.length === 0) {
      throw new CommandError(
        'Give the gateway’s verifier key with --key or --keys, from a source that you trust.',
        2,
      );
    }
    const verdict = verifyReceipt(await readText(file), given);
    if (io.json) io.out(JSON.stringify(verdict));
    else if (verdict.verdict === 'good') {
      const { log, index, size, signedBy, witnesses } = verdict;
      io.out(`good: ${log}/${index} is in the log of ${size} records that ${signedBy} signed`);
      for (const { name, at } of witnesses) io.out(`witness: ${name} at ${at}`);
    } else io.out(`${verdict.verdict === 'bad' ? 'bad' : 'not checked'}: ${verdict.why}`);
    return EXIT_CODES[verdict.verdict];
  },
});
