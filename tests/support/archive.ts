/** Archives made member by member, lawful or not. */
import type { Member } from "../../src/archive/member.ts";
import { END, memberHeader, paddingAfter } from "../../src/archive/writer.ts";

export interface Made extends Partial<Omit<Member, "name" | "link">> {
  readonly name: string | Buffer;
  readonly link?: string;
  readonly content?: string | Buffer;
}

/** One member with its data. */
export function member({ content = "", link = "", name, ...rest }: Made): Buffer {
  const data = Buffer.from(content as string);
  const header = memberHeader({
    name: Buffer.from(name as string),
    type: "file",
    link: Buffer.from(link),
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: data.length,
    mtimeNs: 1_600_000_000_000_000_000n,
    segments: null,
    ...rest,
  });
  return Buffer.concat([header, data, Buffer.alloc(paddingAfter(data.length))]);
}

/** A whole archive. */
export function archive(...members: readonly Made[]): Buffer {
  return Buffer.concat([...members.map(member), END]);
}
