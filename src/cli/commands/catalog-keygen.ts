import { resolve } from "node:path";
import { define, json } from "../command.ts";

export default define({
  name: "catalog keygen",
  summary: "make a key to sign a catalog of your own with",
  arguments: "<file>",
  options: { json },
  examples: [["banger catalog keygen team.key", "team.key stays with you; team.key.pub is for everybody"]],
  details:
    "The private key (ECDSA P-256, PKCS#8 PEM, mode 0600) has no passphrase: keep it where you keep ssh keys.\ncosign and openssl can check what it signs.",
  handler: async ({ args: [file = ""] }) => {
    const { makeKeyFiles } = await import("../../catalog/keys.ts");
    const path = resolve(file);
    return { private_key_file: path, public_key_file: `${path}.pub`, public_key: await makeKeyFiles(path) };
  },
  render: ({ private_key_file, public_key_file, public_key }) =>
    `${private_key_file} signs; keep it to yourself
${public_key_file} is for who uses your catalog. In their config.toml:

[[catalogs]]
url = "https://…/catalog.json"
public_key = "${public_key}"
`,
});
