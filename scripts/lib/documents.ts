import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Something in a document that leads nowhere. */
export interface DeadEnd {
  /** Path from the top of the checkout. */
  readonly document: string;
  readonly line: number;
  readonly text: string;
}

/** A fenced code block of a document. */
export interface CodeBlock {
  readonly document: string;
  /** Of its first line of code, from 1. */
  readonly line: number;
  /** The first word behind the fence, and the words after it. */
  readonly language: string;
  readonly words: readonly string[];
  readonly code: string;
}

export function codeBlocks(root: string, document: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open:
    | { readonly line: number; readonly info: string; readonly indent: number; readonly code: string[] }
    | undefined;
  for (const [at, text] of readFileSync(join(root, document), 'utf8').split('\n').entries()) {
    const fence = /^( *)(?:```|~~~)(.*)$/.exec(text);
    if (!fence) {
      open?.code.push(text.slice(open.indent));
    } else if (open) {
      const [language = '', ...words] = open.info.split(/\s+/);
      blocks.push({ document, line: open.line, language, words, code: open.code.join('\n') });
      open = undefined;
    } else {
      open = { line: at + 2, info: fence[2]!.trim(), indent: fence[1]!.length, code: [] };
    }
  }
  return blocks;
}

const LINK = /\[[^\]]*\]\(([^)\s]+)\)/g;
/** A file of ours that is named in running text. */
const NAMED_FILE =
  /`((?:bench|compliance|config|core|docs|durable-objects|iam|local|policies|scripts|sql|tests|worker)\/[\w./-]+\.[a-z]+)(?:#[^`]*)?`/g;
const FENCE = /^\s*(```|~~~)/;
const HEADING = /^#{1,6}\s+(.*?)\s*#*$/;

/**
 * Links to files and headings that are not there, files named in the text that are not there, and links that are
 * not https. Pages of others are not fetched.
 */
export function deadEnds(root: string, documents: readonly string[]): DeadEnd[] {
  return documents.flatMap((document) => {
    const found: DeadEnd[] = [];
    for (const { text, line } of prose(readFileSync(join(root, document), 'utf8'))) {
      for (const [, target] of text.matchAll(LINK)) {
        if (!leads(root, document, target!)) found.push({ document, line, text: target! });
      }
      for (const [, file] of text.matchAll(NAMED_FILE)) {
        const places = [file!, join(dirname(document), file!)];
        if (!places.some((place) => existsSync(join(root, place))))
          found.push({ document, line, text: file! });
      }
    }
    return found;
  });
}

function leads(root: string, document: string, target: string): boolean {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target))
    return target.startsWith('https://') || target.startsWith('mailto:');
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? document : join(dirname(document), path);
  if (file.startsWith('..') || !existsSync(join(root, file))) return false;
  if (anchor === undefined) return true;
  return file.endsWith('.md') && anchorsOf(readFileSync(join(root, file), 'utf8')).has(anchor);
}

/** A document's lines outside of code blocks, counted from 1. */
function prose(text: string): { readonly text: string; readonly line: number }[] {
  let fenced = false;
  return text.split('\n').flatMap((each, at) => {
    if (FENCE.test(each)) fenced = !fenced;
    return fenced || FENCE.test(each) ? [] : [{ text: each, line: at + 1 }];
  });
}

/** The anchors of a document's headings, made as GitHub makes them. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const { text: each } of prose(text)) {
    const [, heading] = HEADING.exec(each) ?? [];
    if (heading === undefined) continue;
    const base = heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
      .replaceAll(' ', '-');
    let anchor = base;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${base}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}
