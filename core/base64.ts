/** Whether a text is standard base64 in its one canonical form: padded, and with no bits left over. */
export function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/]*={0,2}$/.test(text) && Buffer.from(text, 'base64').toString('base64') === text;
}
