/**
 * File names from the command line as bytes. Node hands arguments over as text, in which bytes that are not UTF-8 are
 * lost; on Linux the originals are still in /proc.
 */
import { readFileSync } from 'node:fs';

const LOST = '\ufffd';

export function operandBytes(operands: readonly string[]): Buffer[] {
  const originals = operands.some((operand) => operand.includes(LOST)) ? originalArguments() : [];
  return operands.map((operand) => {
    if (!operand.includes(LOST)) return Buffer.from(operand);
    const at = originals.findIndex((original) => original.toString('utf8') === operand);
    // Taken, so that two names that look alike are not mistaken for one.
    return at === -1 ? Buffer.from(operand) : originals.splice(at, 1)[0]!;
  });
}

function originalArguments(): Buffer[] {
  try {
    const line = readFileSync('/proc/self/cmdline');
    const found: Buffer[] = [];
    let from = 0;
    for (let at = line.indexOf(0); at !== -1; at = line.indexOf(0, from)) {
      found.push(line.subarray(from, at));
      from = at + 1;
    }
    return found;
  } catch {
    return [];
  }
}
