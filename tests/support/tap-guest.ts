/** A guest of a tap (guest/tap.h) that is only a program, and what is said to it from the other end. */
import { connectUnix } from "../../src/host/unix-socket.ts";
import { TAP, TUN } from "../../src/vmm/firecracker/tap.ts";

/** A guest that sends back what it gets. It says what capabilities it has. */
export const ECHO = `
  open(my $status, "<", "/proc/self/status"); my ($caps) = grep /^CapBnd/, <$status>;
  open(my $tap, "+<", "${TUN}") or die; my $ask = pack("a16 s x22", "${TAP}", 0x1002);
  ioctl($tap, 0x400454ca, $ask) or die $!;
  syswrite STDOUT, $caps;
  while (sysread $tap, my $frame, 70000) { syswrite $tap, $frame }`;

/** Headers of a protocol for experiments, between two made-up addresses. */
export const HEADER = Buffer.from("52540012345652540012345788b5", "hex");
export const LARGEST = 14 + 65520;

export function framed(frame: Buffer): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32BE(frame.length);
  return Buffer.concat([prefix, frame]);
}

/** Sends bytes and returns what comes back, once it is `count` of them or the connection has ended. */
export async function sent(socket: string, bytes: Buffer, count = bytes.length): Promise<Buffer> {
  const connection = await connectUnix(socket);
  connection.write(bytes);
  let back = Buffer.alloc(0);
  for await (const chunk of connection) {
    back = Buffer.concat([back, chunk]);
    if (back.length >= count) break;
  }
  return back;
}
