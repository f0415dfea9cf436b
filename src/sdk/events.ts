/** Server-sent events: the part of the format that the daemon uses, with bounded memory. */
import { StringDecoder } from "node:string_decoder";
import { BangerError } from "../core/errors.ts";

const MAX_EVENT = 1024 * 1024;

/**
 * Yields the JSON value of each event's data. Comments, names and ids are skipped; an event that the end of the stream
 * cuts off is dropped, as the standard says.
 * @throws internal when one event is larger than 1 MiB or is not JSON
 */
export async function* parseEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  let data: string[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    const lines = (rest + decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))).split(
      "\n",
    );
    rest = lines.pop() ?? "";
    for (const raw of lines) {
      const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
      if (line === "") {
        if (data.length > 0) yield parse(data.join("\n"));
        data = [];
        size = 0;
      } else if (line.startsWith("data:")) {
        data.push(line.slice(line.startsWith("data: ") ? 6 : 5));
        size += line.length;
      }
    }
    if (size + rest.length > MAX_EVENT) throw broken(`an event of more than ${MAX_EVENT} bytes`);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw broken("an event that is not JSON");
  }
}

const broken = (problem: string) => BangerError.of("internal", { problem: `the daemon sent ${problem}` });
