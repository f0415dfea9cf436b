/** Reads the user's apt sources, one-line and deb822, and chooses where Debian packages come from. Pure. */

export interface AptSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Path of a keyring, when the source names one. */
  readonly signedBy: string | null;
}

/** A `.list` file: `deb [options] uri suite component…` per line. */
export function parseOneLine(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const line of text.split("\n")) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (!match) continue;
    const [, options = "", uri = "", suite = "", components = ""] = match;
    sources.push({
      uri,
      suite,
      components: words(components),
      signedBy: keyringPath(/(?:^|\s)signed-by=(\S+)/.exec(options)?.[1] ?? ""),
    });
  }
  return sources;
}

/** A `.sources` file: stanzas of `Field: value` with continuation lines. */
export function parseDeb822(text: string): AptSource[] {
  return text.split(/\n[ \t]*\n/).flatMap((stanza) => {
    const fields = stanzaFields(stanza);
    const field = (name: string) => words(fields.get(name) ?? "");
    const enabled = (fields.get("enabled") ?? "yes").trim().toLowerCase();
    if (!field("types").includes("deb") || ["no", "false", "0"].includes(enabled)) return [];
    const signedBy = keyringPath((fields.get("signed-by") ?? "").trim());
    return field("uris").flatMap((uri) =>
      field("suites").map((suite) => ({ uri, suite, components: field("components"), signedBy })),
    );
  });
}

function stanzaFields(stanza: string): Map<string, string> {
  const fields = new Map<string, string>();
  let last = "";
  for (const line of stanza.split("\n")) {
    if (line.startsWith("#")) continue;
    const match = /^([A-Za-z][\w-]*):(.*)$/.exec(line);
    if (match?.[1]) {
      last = match[1].toLowerCase();
      fields.set(last, match[2] ?? "");
    } else if (last && /^[ \t]/.test(line)) {
      fields.set(last, `${fields.get(last)} ${line.trim()}`);
    }
  }
  return fields;
}

/** Keys may also stand in the file itself; then the default keyring has to do. */
function keyringPath(value: string): string | null {
  return /^\/[^\s,]+$/.test(value) ? value : null;
}

const words = (text: string) => text.split(/\s+/).filter(Boolean);

/** Where Debian packages come from. */
export interface DebianMirrors {
  readonly archive: string;
  /** Absent when the user has no security source. */
  readonly security: string | null;
  /** The keyring that the user's sources name. */
  readonly keyring: string | null;
}

/**
 * Finds the Debian archive and its security archive among the user's sources. Other repositories also name Debian
 * suites; these two are told by their keyring or by the path that every Debian mirror has.
 * @returns null when there is no Debian archive among them
 */
export function debianMirrors(sources: readonly AptSource[]): DebianMirrors | null {
  const debian = sources.filter((source) => source.components.includes("main") && isDebian(source));
  const security = debian.find((source) => isSecurity(source));
  const archive = debian.find((source) => !isSecurity(source));
  if (!archive) return null;
  return {
    archive: archive.uri,
    security: security?.uri ?? null,
    keyring: archive.signedBy ?? security?.signedBy ?? null,
  };
}

function isDebian({ uri, signedBy }: AptSource): boolean {
  if (!/^(https?|mirror\+file):\//.test(uri)) return false;
  if (signedBy !== null) return /\/debian-archive[\w-]*\.\w+$/.test(signedBy);
  return /\/debian(-security)?(\/|$|\.list$)|\/debian-security\.list$/.test(uri);
}

function isSecurity({ uri, suite }: AptSource): boolean {
  return /-security$|\/updates$/.test(suite) || /debian-security/.test(uri);
}

/** The sources of a suite on these mirrors, as lines for apt. The image keeps them, so its apt works alike. */
export function sourceLines(mirrors: DebianMirrors, suite: string, components: readonly string[]): string[] {
  const options = mirrors.keyring ? `[signed-by=${mirrors.keyring}] ` : "";
  const line = (uri: string, name: string) => `deb ${options}${uri} ${name} ${components.join(" ")}`;
  const lines = [line(mirrors.archive, suite), line(mirrors.archive, `${suite}-updates`)];
  return mirrors.security ? [...lines, line(mirrors.security, `${suite}-security`)] : lines;
}
