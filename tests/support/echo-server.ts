/** A TCP server in a guest that sends back what it gets, until its client sends no more. */
import { once } from "node:events";
import type { Sandbox } from "../../src/sdk/index.ts";

const SCRIPT = `
  use IO::Socket::INET; $SIG{CHLD} = "IGNORE"; $| = 1;
  my $l = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => shift, Listen => 64, ReuseAddr => 1) or die $!;
  print "ready\\n";
  while (my $c = $l->accept) {
    next if fork;
    while (sysread($c, my $b, 65536)) {
      for (my $o = 0; $o < length $b;) { $o += syswrite($c, $b, length($b) - $o, $o) // exit }
    }
    exit;
  }`;

/** Returns when it listens, on the guest's loopback alone; it runs until the VM stops. */
export async function startEchoServer(vm: Sandbox, port: number): Promise<void> {
  const server = vm.exec(["perl", "-e", SCRIPT, String(port)], { onDisconnect: "keep", label: "echo" });
  server.exited.catch(() => {}); // it is left running
  await once(server.stdout, "data");
}
