// A process and its descendants, as /proc tells them at this moment.
"use strict";
const { readdirSync, readFileSync } = require("node:fs");

/** Pids, the oldest first. */
function family(root) {
  const found = [root];
  for (const pid of found) {
    try {
      for (const thread of readdirSync(`/proc/${pid}/task`))
        for (const child of readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" "))
          if (child !== "") found.push(Number(child));
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

module.exports = { family };
