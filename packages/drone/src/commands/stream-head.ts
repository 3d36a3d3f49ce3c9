/** A stream that begins with the task's map: u32 big-endian length, that many bytes of msgpack, then what is read. */
import { decodeMsgpack, LIMITS, readU32 } from '@hive/shared';
import { badInput } from '../kinds/failure.ts';

const LENGTH_BYTES = 4;

/** Returns the map; everything behind it is written. @throws TaskFailure */
export async function readHead(
  chunks: AsyncIterable<Uint8Array>,
  write: (bytes: Uint8Array) => void,
): Promise<unknown> {
  let begun: Buffer | null = Buffer.alloc(0);
  let head: unknown;
  for await (const chunk of chunks) {
    if (begun === null) {
      write(chunk);
      continue;
    }
    begun = Buffer.concat([begun, chunk]);
    if (begun.length < LENGTH_BYTES) continue;
    const end = LENGTH_BYTES + readU32(begun, 0);
    if (end > LIMITS.valueBytesMax)
      throw badInput(`The map at the beginning of this stream has ${end} bytes, too many.`);
    if (begun.length < end) continue;
    head = decodeMap(begun.subarray(LENGTH_BYTES, end));
    write(begun.subarray(end));
    begun = null;
  }
  if (begun === null) return head;
  throw badInput('This stream ends before the map with which it should begin.');
}

function decodeMap(bytes: Uint8Array): unknown {
  try {
    return decodeMsgpack(bytes);
  } catch {
    throw badInput('This stream does not begin with a map in msgpack.');
  }
}
