import type { Frame } from './frames.ts';

const WIDTH = 1400;
const ROW = 17;
/** Narrower ones are left out: nobody could point at them. */
const THINNEST = 0.4;

/** By the part that a source file belongs to, the first that fits. */
const COLOURS: readonly (readonly [prefix: string, colour: string])[] = [
  ['worker/', '#e8873a'],
  ['durable-objects/', '#d9534f'],
  ['core/', '#e3b23c'],
  ['wasm', '#8e6bbf'],
  ['node_modules/', '#5b9bd5'],
  ['', '#9aa5b1'],
];

/** A flame graph as one HTML page without scripts: the root on top, a frame's width its time, details on pointing at it. */
export function flameGraph(root: Frame, title: string, requests: number): string {
  const rows: string[] = [];
  let deepest = 0;
  const draw = (frame: Frame, x: number, depth: number) => {
    const width = (frame.total / root.total) * WIDTH;
    if (width < THINNEST) return;
    deepest = Math.max(deepest, depth);
    rows.push(box(frame, x, depth, width, root.total, requests));
    let at = x;
    for (const child of frame.children) {
      draw(child, at, depth + 1);
      at += (child.total / root.total) * WIDTH;
    }
  };
  draw(root, 0, 0);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${escaped(title)}</title>
<style>body{font:14px sans-serif;margin:16px}svg{font:11px monospace;width:100%}rect{stroke:#fff;stroke-width:.5}g:hover rect{stroke:#000}text{pointer-events:none}</style>
<h1>${escaped(title)}</h1>
<p>${legend()}</p>
<svg viewBox="0 0 ${WIDTH} ${(deepest + 1) * ROW}" xmlns="http://www.w3.org/2000/svg">
${rows.join('\n')}
</svg>
</html>
`;
}

function box(
  { name, source, self, total }: Frame,
  x: number,
  depth: number,
  width: number,
  all: number,
  requests: number,
): string {
  const each = (time: number) => `${(time / requests).toFixed(1)} µs a request`;
  const share = `${((total / all) * 100).toFixed(1)} %`;
  const hint = `${name}${source ? ` (${source})` : ''}\n${each(total)}, ${share}; in itself ${each(self)}`;
  const colour = COLOURS.find(([prefix]) => source.startsWith(prefix))![1];
  const room = Math.floor(width / 6.7) - 1;
  const label = room < 3 ? '' : name.length > room ? `${name.slice(0, room - 1)}…` : name;
  const [left, top] = [x.toFixed(2), depth * ROW];
  return (
    `<g><title>${escaped(hint)}</title><rect x="${left}" y="${top}" width="${width.toFixed(2)}" height="${ROW}" fill="${colour}"/>` +
    `${label && `<text x="${(x + 3).toFixed(2)}" y="${top + 12}">${escaped(label)}</text>`}</g>`
  );
}

function legend(): string {
  return COLOURS.map(
    ([prefix, colour]) =>
      `<span style="background:${colour};padding:2px 6px;margin-right:4px">${prefix || 'the runtime'}</span>`,
  ).join('');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
