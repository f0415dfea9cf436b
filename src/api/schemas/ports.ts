/** Ports: what listens in a guest, and what of the host leads there. */
import { z } from "zod";
import { MAX_PUBLISHED, portMappingFlaw } from "../../core/port-mapping.ts";

const port = z.int().min(1).max(65_535);

const publishPort = z
  .strictObject({
    address: z.string().max(64).nullish().describe("IP address of the host; absent: 127.0.0.1 and ::1"),
    host_port: port.or(z.literal(0)).optional().describe("0 or absent: a free one"),
    guest_port: port.describe("TCP"),
  })
  .refine(
    ({ address, host_port, guest_port }) =>
      portMappingFlaw({ address: address ?? null, hostPort: host_port ?? 0, guestPort: guest_port }) === null,
    "not an IP address",
  )
  .meta({ id: "PublishPort" });

export const publishPorts = z.array(publishPort).max(MAX_PUBLISHED);
export type PublishPorts = z.infer<typeof publishPorts>;

export const publishedPort = z
  .object({
    address: z.string().nullable().describe("null: 127.0.0.1 and ::1"),
    host_port: port,
    guest_port: port,
    problem: z.string().nullable().describe("why nobody listens there although the VM runs"),
  })
  .meta({ id: "PublishedPort" });

export const guestListener = z
  .object({
    protocol: z.enum(["tcp", "udp"]),
    address: z.string(),
    port,
    pid: z.int().nullable(),
    process: z.string().nullable().describe("its name, as the guest tells it"),
  })
  .meta({ id: "GuestListener" });

export const vmPorts = z
  .object({ listening: z.array(guestListener), published: z.array(publishedPort) })
  .meta({ id: "VmPorts" });

export type PublishedPort = z.infer<typeof publishedPort>;
export type VmPorts = z.infer<typeof vmPorts>;
