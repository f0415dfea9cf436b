/** Another machine as far as this host can tell: a network namespace with an address of its own, and servers in it. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { makeCertificate } from "./certificate.ts";

const run = promisify(execFile);

/** TCP 7000: sends as many bytes as the line it gets says, then ends; 7001: takes as many as the first line says, then says so. UDP 53: every name has one address. A line for each that asks. */
const SERVERS = `
  const tcp = require("node:net").createServer((socket) => {
    console.log("tcp");
    socket.on("error", () => {});
    socket.once("data", (line) => socket.end(Buffer.alloc(Number(line), "banger")));
  });
  const sink = require("node:net").createServer((socket) => {
    let taken = 0, wanted = 0;
    socket.on("error", () => {}).on("data", (chunk) => {
      if (wanted === 0) taken = -chunk.indexOf(10) - 1, wanted = parseInt(chunk);
      if ((taken += chunk.length) >= wanted) socket.end(String(taken));
    });
  });
  const dns = require("node:dgram").createSocket("udp4", (ask, { port, address }) => {
    console.log("udp");
    if (ask.length < 17) return;
    const end = ask.indexOf(0, 12) + 5, isA = ask.readUInt16BE(end - 4) === 1;
    const head = Buffer.concat([ask.subarray(0, 2), Buffer.from([0x81, 0x80, 0, 1, 0, isA ? 1 : 0, 0, 0, 0, 0])]);
    const answer = Buffer.from(isA ? [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, ...process.argv[1].split(".").map(Number)] : []);
    dns.send(Buffer.concat([head, ask.subarray(12, end), answer]), port, address);
  });
  const [, address, certificate, key] = process.argv;
  if (certificate) {
    const { readFileSync } = require("node:fs");
    const files = { cert: readFileSync(certificate), key: readFileSync(key) };
    require("node:https").createServer(files, (_, answer) => answer.end("trusted")).listen(7443, address);
  }
  tcp.listen(7000, process.argv[1], () => sink.listen(7001, process.argv[1], () => dns.bind(53, process.argv[1], () => console.log("ready"))));
`;

export interface OtherMachine {
  /** Its address; TCP 7000 sends what it is asked for, 7001 takes what it is told to, UDP 53 answers questions for any name with this address. */
  readonly address: string;
  /** This host's address on the link to it. */
  readonly host: string;
  /** Of the server that speaks TLS on 7443, in PEM form; null when there is none. */
  readonly certificate: string | null;
  /** Resolves with `tcp` or `udp` when the next connection or question comes there. */
  asked(): Promise<string>;
  remove(): Promise<void>;
}

/** Why there can be none here; false when there can. */
export async function otherMachineMissing(): Promise<string | false> {
  if (process.getuid?.() !== 0) return "only root makes network namespaces";
  const routes = await readFile("/proc/net/route", "latin1");
  if (!/^\S+\t0{8}\t/m.test(routes)) return "passt needs a default route, and this host has none";
  for (const program of ["ip", "passt"]) {
    const missing = await run("sh", ["-c", `command -v ${program}`]).then(
      () => false,
      () => true,
    );
    if (missing) return `${program} is not installed`;
  }
  return false;
}

/**
 * Its link and addresses are of this process's own, from the range for measurements (RFC 2544).
 * @param tls folder for a certificate of its own, with which it speaks TLS, too
 */
export async function startOtherMachine(tls?: string): Promise<OtherMachine> {
  const name = `banger-${process.pid}`;
  const [here, there] = [`bh${process.pid}`, `bt${process.pid}`];
  const net = (process.pid % 0x4000) * 4;
  const [host, address] = [1, 2].map((n) => `198.18.${(net + n) >> 8}.${(net + n) & 0xff}`) as [
    string,
    string,
  ];
  const own = tls === undefined ? null : await makeCertificate(tls, "other-machine", address);
  const ip = (line: string) => run("ip", line.split(" "));
  await ip(`netns add ${name}`);
  await ip(`link add ${here} type veth peer name ${there} netns ${name}`);
  await ip(`addr add ${host}/30 dev ${here}`);
  await ip(`link set ${here} up`);
  await ip(`-n ${name} addr add ${address}/30 dev ${there}`);
  await ip(`-n ${name} link set ${there} up`);
  const servers = spawn(
    "ip",
    [
      "netns",
      "exec",
      name,
      process.execPath,
      "-e",
      SERVERS,
      address,
      ...(own ? [own.certificate, own.key] : []),
    ],
    {
      env: { PATH: process.env.PATH }, // it belongs to no home
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const lines = createInterface(servers.stdout);
  const asked = async () => String((await once(lines, "line"))[0]);
  await asked(); // ready
  return {
    address,
    host,
    certificate: own?.certificate ?? null,
    asked,
    remove: async () => {
      const ended = once(servers, "exit");
      servers.kill();
      await ended;
      await ip(`link del ${here}`);
      await ip(`netns del ${name}`);
    },
  };
}
