/**
 * TypeScript source, seen with half-closed eyes: enough to tell code from comments and texts, and to find what a file
 * imports. A compiler would know more, but there is no JavaScript API in typescript 7, and this needs no dependency.
 */

export interface Import {
  readonly specifier: string;
  readonly isDynamic: boolean;
  /** `import type` or `export type`: gone when the program runs. */
  readonly isType: boolean;
  readonly line: number;
}

/**
 * The same text with the insides of comments, texts and regular expressions blanked; quotes, line ends and every offset
 * stay. What stands in `${}` is code.
 */
export function codeOf(text: string): string {
  const out = text.split('');
  const blank = (from: number, to: number) => {
    for (let i = from; i < to; i++) if (out[i] !== '\n') out[i] = ' ';
  };
  /** For each template literal that is open: how many braces are open inside its `${`. */
  const templates: number[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at]!;
    if (text.startsWith('//', at) || text.startsWith('/*', at)) {
      const end = endOfComment(text, at);
      blank(at, end);
      at = end;
    } else if (char === "'" || char === '"' || (char === '/' && isRegexStart(out, at))) {
      const end = endOfQuoted(text, at);
      blank(at + 1, end - 1);
      at = end;
    } else if (char === '`' || (char === '}' && templates.at(-1) === 0)) {
      if (char === '}') templates.pop();
      const end = endOfTemplatePart(text, at + 1);
      blank(at + 1, end);
      if (text.startsWith('${', end)) templates.push(0);
      at = end + (text.startsWith('${', end) ? 2 : 1);
    } else {
      if (templates.length > 0 && char === '{') templates[templates.length - 1]!++;
      if (templates.length > 0 && char === '}') templates[templates.length - 1]!--;
      at++;
    }
  }
  return out.join('');
}

function endOfComment(text: string, at: number): number {
  const end = text[at + 1] === '/' ? text.indexOf('\n', at) : text.indexOf('*/', at + 2) + 2;
  return end < at + 2 ? text.length : end;
}

/** A slash begins a regular expression where a value may begin. */
function isRegexStart(before: readonly string[], at: number): boolean {
  const line = before
    .slice(Math.max(0, at - 200), at)
    .join('')
    .trimEnd();
  return line === '' || /(?:[(,=:[!&|?{};+~<>*%^-]|\b(?:return|case|typeof|in|of))$/.test(line);
}

/** Offset after the closing quote, which is the opening one; a set in a regular expression may hold it. */
function endOfQuoted(text: string, at: number): number {
  const quote = text[at];
  let isInSet = false;
  for (let i = at + 1; i < text.length; i++) {
    const char = text[i];
    if (char === '\\') i++;
    else if (char === '\n') return i;
    else if (quote === '/' && char === '[') isInSet = true;
    else if (quote === '/' && char === ']') isInSet = false;
    else if (char === quote && !isInSet) return i + 1;
  }
  return text.length;
}

/** Offset of the end of a template or of its next `${`. */
function endOfTemplatePart(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '`' || text.startsWith('${', i)) return i;
  }
  return text.length;
}

/** What a file imports or re-exports by a name that stands in it. */
export function importsOf(text: string, code: string = codeOf(text)): Import[] {
  const found: Import[] = [];
  for (const match of code.matchAll(/\b(?:from\s*|import\s*(\(?)\s*)(['"])\s*\2/g)) {
    const end = match.index + match[0].length - 1;
    const start = code.lastIndexOf(match[2]!, end - 1) + 1;
    found.push({
      specifier: text.slice(start, end),
      isDynamic: match[1] === '(',
      isType:
        match[0].startsWith('from') &&
        /\b(?:im|ex)port\s+type\b(?:(?!\b(?:im|ex)port\b)[^;])*$/.test(code.slice(0, match.index)),
      line: lineOf(text, match.index),
    });
  }
  return found;
}

export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
