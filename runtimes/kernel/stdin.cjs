// The standard input of programs that a kernel starts: a pipe of their own for each cell, and a question for a line
// whenever one of them waits for input.
"use strict";
const { execFileSync } = require("node:child_process");
const {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  unlinkSync,
  writeSync,
} = require("node:fs");
const { family } = require("./family.cjs");

/** Nothing tells when a process begins to read; only cells that were given input are looked at. */
const LOOK_EVERY_MS = 20;
/** Numbers of read(2), by the names that Node gives architectures. */
const READ = { x64: "0", arm64: "63" }[process.arch];

/**
 * Opens the input of one cell. `path` is what the program reads from.
 * @param root Process whose descendants, and which itself, may read.
 * @param ask Resolves with a line, or undefined at the end of input.
 */
function openStdin({ path, root, ask }) {
  execFileSync("mkfifo", ["-m", "600", path]);
  // Opened to read as well, it does not wait for a reader.
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const { ino } = fstatSync(fd);
  let state = "open";
  const look = setInterval(async () => {
    if (state !== "open" || !family(root).some((pid) => isReading(pid, ino))) return;
    state = "asking";
    const line = await ask();
    if (state !== "asking") return;
    if (line === undefined) return close();
    state = "open";
    writeSync(fd, `${line}\n`);
  }, LOOK_EVERY_MS);
  const close = () => {
    clearInterval(look);
    if (state !== "closed") closeSync(fd);
    state = "closed";
  };
  return () => {
    close();
    unlinkSync(path);
  };
}

/** Whether a thread of the process is inside read(2) on that pipe (proc(5), "syscall"). */
function isReading(pid, ino) {
  try {
    return readdirSync(`/proc/${pid}/task`).some((thread) => {
      const [call, descriptor] = readFileSync(`/proc/${pid}/task/${thread}/syscall`, "utf8").split(" ");
      return call === READ && isPipe(`/proc/${pid}/fd/${Number(descriptor)}`, ino);
    });
  } catch {
    return false;
  }
}

/** The name of an open FIFO is its path; what it is says only its inode. */
function isPipe(link, ino) {
  let fd;
  try {
    fd = openSync(link, constants.O_RDONLY | constants.O_NONBLOCK);
    return fstatSync(fd).ino === ino;
  } catch {
    return false; // A socket, or closed meanwhile.
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

module.exports = { openStdin };
