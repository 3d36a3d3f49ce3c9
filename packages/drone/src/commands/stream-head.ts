/** A stream that begins with the task's map: u32 big-endian length, that many bytes of msgpack, then what is read. */
import { type ByteReader, decodeMsgpack, LIMITS, readU32 } from '@hive/shared';
import { badInput } from '../kinds/failure.ts';

const LENGTH_BYTES = 4;

/** Returns the map; the reader then stands behind it. @throws TaskFailure */
export async function readHead(reader: ByteReader): Promise<unknown> {
  const length = await reader.take(LENGTH_BYTES);
  if (length.length < LENGTH_BYTES) throw endsBefore();
  const bytes = readU32(length, 0);
  if (bytes > LIMITS.valueBytesMax)
    throw badInput(`The map at the beginning of this stream has ${bytes} bytes, too many.`);
  const map = await reader.take(bytes);
  if (map.length < bytes) throw endsBefore();
  try {
    return decodeMsgpack(map);
  } catch {
    throw badInput('This stream does not begin with a map in msgpack.');
  }
}

const endsBefore = () => badInput('This stream ends before the map with which it should begin.');
