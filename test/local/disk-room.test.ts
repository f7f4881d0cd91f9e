import { expect, test } from "vitest";
import { temporaryFolder } from "../contract/temporary-folder.ts";
import { demandRoom } from "#local/disk-room.ts";

test("a full disk is one sentence that says how much is missing and that nothing is lost", async () => {
  await using folder = await temporaryFolder();
  await demandRoom(folder.path, 1);
  await expect(demandRoom(folder.path, Number.MAX_SAFE_INTEGER)).rejects.toMatchObject({
    code: "disk_full",
    kind: "busy",
    message: expect.stringMatching(
      / MB left, and \d+ MB are needed; free some space .* Nothing is lost\.$/,
    ) as string,
  });
});
