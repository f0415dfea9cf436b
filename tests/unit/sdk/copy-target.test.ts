/** Where copies go, as `cp -a` has it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { copyTarget } from "../../../src/sdk/copy-target.ts";

const EXISTING: Record<string, "directory" | "other"> = {
  "/": "directory",
  "/dir": "directory",
  "/dir/src": "directory",
  "/dir/note": "other",
  "/file": "other",
};
const look = async (path: string) => EXISTING[path.replace(/(.)\/\.?$/, "$1")] ?? null;

const goes = (path: string, directory: boolean, to: string) =>
  copyTarget({ shown: path, path, directory }, { shown: to, path: to }, look);

describe("a copy goes", () => {
  for (const [what, path, directory, to, folder, name] of [
    ["a file into a folder that is there", "/x/f", false, "/dir", "/dir", "f"],
    ["a file into a folder named with a slash", "/x/f", false, "/dir/", "/dir/", "f"],
    ["a file to a new name", "/x/f", false, "/dir/new", "/dir", "new"],
    ["a file over a file", "/x/f", false, "/file", "/", "file"],
    ["a file over a file of its name in a folder", "/x/note", false, "/dir", "/dir", "note"],
    ["a folder into a folder that is there", "/x/sub", true, "/dir", "/dir", "sub"],
    ["a folder with a slash at its end the same", "/x/sub/", true, "/dir", "/dir", "sub"],
    ["a folder into one of its name: merged", "/x/src", true, "/dir", "/dir", "src"],
    ["a folder to a new name", "/x/sub", true, "/dir/new", "/dir", "new"],
    ["a folder to a new name with a slash", "/x/sub", true, "/dir/new/", "/dir", "new"],
    ["a folder's contents into a folder that is there", "/x/sub/.", true, "/dir", "/dir", "."],
    ["a folder's contents to a new name", "/x/sub/.", true, "/dir/new", "/dir", "new"],
    ["the whole root into a folder", "/", true, "/dir", "/dir", "."],
  ] as const)
    test(what, async () => assert.deepEqual(await goes(path, directory, to), { folder, name }));
});

describe("a copy is refused before it begins", () => {
  for (const [what, path, directory, to, message] of [
    ["a folder over a file", "/x/sub", true, "/file", /no directory/],
    ["a folder over a file of its name", "/x/note", true, "/dir", /\/dir\/note is no directory/],
    ["a file over a folder of its name", "/x/src", false, "/dir", /\/dir\/src is a directory/],
    ["a file to a folder that is not there", "/x/f", false, "/dir/none/", /no such directory/],
    ["a file below what is not there", "/x/f", false, "/none/new", /no directory \/none/],
    ["a folder below a file", "/x/sub", true, "/file/new", /no directory \/file/],
  ] as const)
    test(what, async () => {
      await assert.rejects(goes(path, directory, to), { code: "copy_refused", message });
    });
});
