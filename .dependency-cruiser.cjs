// The layers of ARCHITECTURE.md as rules. Each layer lists what it may import; everything else is an error.
const LAYERS = {
  // Reading a repository of the host needs no daemon: `--dry-run` must work without one.
  // Making a key needs none, either.
  cli: ["sdk", "doctor", "git", "catalog", "host", "core"],
  doctor: ["images", "kernels", "catalog", "vmm", "disk", "host", "store", "core"],
  sdk: ["api", "archive", "host", "core"],
  daemon: [
    "vm",
    "workspace",
    "git",
    "images",
    "kernels",
    "catalog",
    "guest",
    "vmm",
    "network",
    "disk",
    "host",
    "store",
    "api",
    "core",
  ],
  workspace: ["git", "archive", "guest", "host", "store", "core"],
  git: ["host", "core"],
  vm: ["images", "kernels", "archive", "guest", "vmm", "network", "disk", "host", "store", "api", "core"],
  images: ["catalog", "archive", "disk", "host", "store", "core"],
  kernels: ["catalog", "disk", "host", "store", "core"],
  catalog: ["archive", "disk", "host", "core"],
  guest: ["host", "core"],
  vmm: ["guest", "network", "disk", "host", "core"],
  network: ["guest", "host", "core"],
  disk: ["host", "core"],
  host: ["core"],
  store: ["host", "core"],
  archive: ["core"],
  api: ["core"],
  core: [],
};

module.exports = {
  forbidden: [
    ...Object.entries(LAYERS).map(([layer, allowed]) => ({
      name: `${layer}-layer`,
      comment: `src/${layer} may import only: ${[layer, ...allowed].join(", ")}`,
      severity: "error",
      from: { path: `^src/${layer}/` },
      to: { path: "^src/", pathNot: `^src/(${[layer, ...allowed].join("|")})/` },
    })),
    {
      name: "spawn-only-in-host",
      comment: "Only src/host starts processes, so that every child is confined, bounded and logged alike",
      severity: "error",
      from: { pathNot: "^src/host/" },
      to: { path: "^(node:)?child_process$", dependencyTypesNot: ["type-only"] },
    },
    {
      name: "core-does-no-io",
      comment: "src/core is pure",
      severity: "error",
      from: { path: "^src/core/" },
      to: { dependencyTypes: ["core"], pathNot: "^(node:)?(crypto|util)$" },
    },
    {
      name: "no-cycles",
      comment: "Modules that need each other to load; types alone may refer to each other",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    { name: "no-orphans-unresolved", severity: "error", from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true, // a type that is imported is a dependency, too
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      extensions: [".ts", ".js"],
      exportsFields: ["exports"],
      conditionNames: ["import", "node"],
    },
  },
};
